import { randomBytes } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage as HttpMessage, type ServerResponse } from 'node:http';
import { type AgentOptions, createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, LookupFunction } from 'node:net';
import type { MalErrorName } from '../../area.js';
import { malArea } from '../../area.js';
import type { Encoding } from '../../encoding/encoding.js';
import { writeError } from '../../encoding/error-body.js';
import { createGrammar } from '../../encoding/grammar.js';
import { isMalError, type MalError, malError } from '../../errors.js';
import { replyHeader } from '../../interaction/replies.js';
import {
  type Channel,
  type IncomingMessage,
  type Log,
  noLog,
  type OutgoingMessage,
  type Peer,
  type Receive,
} from '../../message.js';
import { createRegistry } from '../../schema/index.js';
import { errorStage, PUBSUB } from '../../stages.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../limits.js';
import type { ClientTransport, Dialogue } from '../transport.js';
import { readBody } from './body.js';
import { decodeGeneric } from './generic.js';
import { decodeHeaders, hasMalHeaders } from './header.js';
import { createPoster, type HttpAnswer, type MalhttpMode } from './post.js';
import { type ProviderWatch, watchProvider } from './watch.js';

export interface MalhttpClientOptions {
  readonly encoding: Encoding;
  /** As the provider has it, which nothing tells; default `request-response`. */
  readonly mode?: MalhttpMode;
  /** Where this consumer listens for what does not fit into responses; default 127.0.0.1 and a free port. */
  readonly host?: string;
  readonly port?: number;
  readonly publishedHost?: string;
  /** https to providers. */
  readonly tls?: AgentOptions;
  /** Resolves the names of providers; the system's by default. */
  readonly lookup?: LookupFunction;
  /** https for what providers post here. */
  readonly serverTls?: ServerOptions;
  readonly limits?: Partial<TransportLimits>;
  /** How long a provider may take to answer at all. */
  readonly answerMs?: number;
  /** How often a provider with subscriptions of ours is looked after; default 4 s, below what idle connections are kept. */
  readonly probeMs?: number;
  readonly log?: Log;
}

export interface MalhttpClient extends ClientTransport {
  /** Stops listening; dialogues end. */
  close(): Promise<void>;
}

const grammar = createGrammar(createRegistry([malArea]));

/** Speaks to malhttp providers, and listens for updates and notifications of theirs. */
export async function malhttpClient(options: MalhttpClientOptions): Promise<MalhttpClient> {
  const limits = { ...TRANSPORT_LIMITS, ...options.limits };
  const log = options.log ?? noLog;
  const { tls, lookup } = options;
  const poster = createPoster({ limits, tls, lookup, sockets: 16, answerMs: options.answerMs ?? 300_000 });
  const mode = options.mode ?? 'request-response';
  const dialogues = new Map<string, ProviderChannel>();
  let opened = 0;
  let closed = false;

  async function serve(request: HttpMessage, response: ServerResponse): Promise<void> {
    const channel = dialogues.get((request.url ?? '').split('/')[1] ?? '');
    const withHeaders = hasMalHeaders(request.headers);
    const known = request.method === 'POST' && channel !== undefined && (withHeaders || mode === 'no-encoding');
    const body = known ? await readBody(request, limits.message) : null;
    if (!known || body === null) {
      response.writeHead(known ? 413 : 404).end();
      return;
    }
    const message = withHeaders
      ? { header: decodeHeaders(request.headers), body }
      : decodeGeneric(body, [options.encoding]);
    await channel.take(message);
    response.writeHead(204).end();
  }

  const handle = (request: HttpMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => {
      log('warn', 'malhttp message refused', { reason: (error as Error).message });
      if (!response.headersSent) response.writeHead(isMalError(error) ? 400 : 500).end();
    });
  };
  const server =
    options.serverTls === undefined ? createHttpServer(handle) : createHttpsServer(options.serverTls, handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log('warn', 'malhttp listener', { reason: error.message }));
  const address = server.address() as AddressInfo;
  const host = options.publishedHost ?? address.address;
  const root = `malhttp://${host.includes(':') ? `[${host}]` : host}:${address.port}`;

  return {
    scheme: 'malhttp',
    encoding: options.encoding,
    open(uri, receive): Promise<Dialogue> {
      if (closed) return Promise.reject(malError('Shutdown', 'this end is closed'));
      const id = String(++opened);
      const channel = new ProviderChannel({
        uri,
        encoding: options.encoding,
        receive,
        post: (message) => poster.post(message, mode),
        watch: (register, lost) =>
          watchProvider({ limits, tls, lookup, mode, everyMs: options.probeMs ?? PROBE_MS, register, lost }),
        log,
      });
      dialogues.set(id, channel);
      channel.onClose(() => dialogues.delete(id));
      return Promise.resolve({
        channel,
        localRoot: `${root}/${id}`,
        end: async () => channel.close('closed here'),
      });
    },
    async close() {
      closed = true;
      for (const channel of [...dialogues.values()]) channel.close('closed here');
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      poster.close();
      await ended;
    },
  };
}

/** MAL errors for the HTTP statuses that come without a MAL message. */
const STATUS_ERRORS: Readonly<Record<number, MalErrorName>> = {
  400: 'Bad Encoding',
  401: 'Authorisation Fail',
  403: 'Authorisation Fail',
  404: 'Destination Unknown',
  405: 'Unsupported Operation',
  408: 'Delivery Timedout',
  410: 'Destination Transient',
  429: 'Too Many',
  501: 'Unsupported Operation',
  502: 'Delivery Failed',
  503: 'Destination Transient',
  504: 'Delivery Timedout',
  511: 'Authentication Failed',
};

const PROBE_MS = 4000;

interface ProviderChannelOptions {
  readonly uri: string;
  readonly encoding: Encoding;
  readonly receive: Receive;
  readonly post: (message: OutgoingMessage) => Promise<HttpAnswer>;
  readonly watch: (register: () => OutgoingMessage | null, lost: (reason: string) => void) => ProviderWatch;
  readonly log: Log;
}

/** The way to one provider: messages are posted, first answers come in the responses, others are posted back. */
class ProviderChannel implements Channel {
  readonly peer: Peer;
  readonly encodings: readonly Encoding[];
  open = true;
  /** Transactions whose first answer is awaited: what is posted back before it waits. */
  private readonly awaited = new Map<bigint, Promise<void>>();
  private readonly closeListeners = new Set<() => void>();
  private pauses = 0;
  private held: (() => void)[] = [];

  /** What stands at the provider, by the URI of the subscriber, and what was asked for and is not answered yet. */
  private readonly registered = new Map<string, OutgoingMessage>();
  private readonly registering = new Map<bigint, OutgoingMessage>();
  /** The last registration that only looks after the provider. */
  private probing: bigint | null = null;
  private watch: ProviderWatch | null = null;

  constructor(private readonly options: ProviderChannelOptions) {
    const { uri, encoding } = options;
    this.peer = { address: uri.split('/')[2] ?? '', port: 0, secure: false };
    this.encodings = [encoding];
  }

  settle(): void {}

  send(message: OutgoingMessage): Promise<void> {
    if (!this.open) return Promise.reject(malError('Destination Lost', 'the dialogue is closed'));
    const { header } = message;
    const stage = errorStage(header.interactionType, header.interactionStage);
    const ready = header.interactionType === 'PUBSUB' ? this.note(message) : null;
    const sent = ready === null ? this.options.post(message) : ready.then(() => this.options.post(message));
    const posted = sent.then((answer) => this.answered(message, answer));
    if (stage === null) return posted;
    const id = header.transactionId;
    const done = posted
      .catch((error: unknown) =>
        this.fail(message, isMalError(error) ? error : malError('Internal', String(error)), stage),
      )
      .finally(() => this.awaited.delete(id));
    this.awaited.set(id, done);
    return Promise.resolve();
  }

  offer(message: OutgoingMessage): boolean {
    if (!this.open) return false;
    this.send(message).catch((error: unknown) =>
      this.options.log('warn', 'message not sent', { reason: (error as Error).message }),
    );
    return true;
  }

  /** Hands over what was posted back, once the first answer of its transaction is in and the reader wants more. */
  async take(message: IncomingMessage): Promise<void> {
    await this.awaited.get(message.header.transactionId);
    while (this.pauses > 0 && this.open) await new Promise<void>((resolve) => this.held.push(resolve));
    if (this.open) this.hand(message);
  }

  pause(): void {
    this.pauses++;
  }

  resume(): void {
    if (--this.pauses === 0) this.release();
  }

  close(_reason: string): void {
    if (!this.open) return;
    this.open = false;
    this.watch?.stop();
    this.release();
    const listeners = [...this.closeListeners];
    this.closeListeners.clear();
    for (const listener of listeners) listener();
  }

  onClose(listener: () => void): () => void {
    if (this.open) this.closeListeners.add(listener);
    else listener();
    return () => this.closeListeners.delete(listener);
  }

  private answered({ header }: OutgoingMessage, answer: HttpAnswer): void {
    if (!this.open) return;
    if (hasMalHeaders(answer.headers)) {
      this.hand({ header: decodeHeaders(answer.headers), body: answer.body });
    } else if (answer.status >= 300) {
      const name = STATUS_ERRORS[answer.status] ?? 'Internal';
      throw malError(name, `HTTP status ${answer.status} from ${header.to}`);
    }
  }

  /** Lets the waiting interaction see that its message did not get through. */
  private fail({ header }: OutgoingMessage, error: MalError, stage: number): void {
    if (!this.open) return;
    const writer = this.encodings[0]!.createWriter();
    writeError(grammar, writer, error, null);
    this.hand({ header: replyHeader(header, stage, true, Date.now()), body: Buffer.concat(writer.finish()) });
  }

  /**
   * Keeps track of what is registered: a provider that has restarted has forgotten it, and no connection tells.
   * @returns what a deregistration waits for, lest a registration overtakes it
   */
  private note(message: OutgoingMessage): Promise<void> | null {
    const { from, interactionStage, transactionId } = message.header;
    if (interactionStage === PUBSUB.register) this.registering.set(transactionId, message);
    if (interactionStage !== PUBSUB.deregister || !this.registered.delete(from) || this.watch === null) return null;
    return this.watch.idle().then(() => {
      if (this.registered.size === 0) this.unwatch();
    });
  }

  private hand(message: IncomingMessage): void {
    const { interactionType, interactionStage, transactionId, isError } = message.header;
    if (interactionType === 'PUBSUB' && interactionStage === PUBSUB.registerAck) {
      if (transactionId === this.probing) {
        if (isError) this.close('the provider no longer takes the subscription');
        return;
      }
      const asked = this.registering.get(transactionId);
      this.registering.delete(transactionId);
      if (asked !== undefined && !isError) {
        this.registered.set(asked.header.from, asked);
        this.watch ??= this.options.watch(
          () => this.probe(),
          (reason) => this.close(reason),
        );
      }
    }
    this.options.receive(message, this);
  }

  /** A registration once more, each in its turn: it changes nothing where it stands already. */
  private probe(): OutgoingMessage | null {
    const next = this.registered.entries().next().value;
    if (next === undefined) return null;
    const [from, message] = next;
    this.registered.delete(from);
    this.registered.set(from, message);
    const transactionId = randomBytes(8).readBigInt64BE();
    this.probing = transactionId;
    return { ...message, header: { ...message.header, transactionId } };
  }

  private unwatch(): void {
    this.watch?.stop();
    this.watch = null;
  }

  private release(): void {
    for (const resolve of this.held.splice(0)) resolve();
  }
}
