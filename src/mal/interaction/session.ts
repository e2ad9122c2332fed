import { randomBytes, randomInt } from 'node:crypto';
import type { InteractionType } from '../area.js';
import type { Grammar } from '../encoding/grammar.js';
import { malError } from '../errors.js';
import { type Channel, type IncomingMessage, type Log, type MessageHeader, noLog, rootOf } from '../message.js';
import type { ClientTransport, Dialogue } from '../transport/transport.js';
import { fromMs } from '../types/index.js';
import { Exchange } from './exchange.js';
import { NO_AUTHENTICATION } from './replies.js';

export interface SessionOptions {
  readonly transport: ClientTransport;
  readonly grammar: Grammar;
  /** Longest wait for an answer, and between the updates of one interaction. Default 60 s. */
  readonly timeoutMs?: number;
  /** Sent with every message. */
  readonly authenticationId?: Uint8Array;
  readonly now?: () => number;
  readonly log?: Log;
}

/** What a message starts with when a consumer sends it. */
export interface Target {
  readonly uri: string;
  readonly area: number;
  readonly areaVersion: number;
  readonly service: number;
  readonly operation: number;
}

/** One connection to a provider, with the interactions that use it. */
export interface Link {
  readonly channel: Channel;
  /** URI of this consumer on the connection. */
  readonly ownUri: string;
  /** Gets what belongs to no exchange: notifications. */
  notified: (message: IncomingMessage) => void;
  header(target: Target, type: InteractionType, stage: number, transactionId: bigint): MessageHeader;
  /** Sends the first message of an interaction and collects the answers. */
  start(header: MessageHeader, body: readonly Uint8Array[], options?: CallOptions): Promise<Exchange>;
  nextTransaction(): bigint;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * A consumer's connections. Calls share one connection to a provider and subscriptions another, so that updates left unread hold
 * up no call; each progress interaction has one of its own, which is used again.
 */
export interface Session {
  readonly grammar: Grammar;
  readonly transport: ClientTransport;
  readonly log: Log;
  readonly closed: boolean;
  link(uri: string, purpose: 'calls' | 'subscriptions'): Promise<Link>;
  /** A connection for one interaction; give it back with `release`. */
  acquire(uri: string): Promise<{ readonly link: Link; readonly release: () => void }>;
  close(): Promise<void>;
}

interface OpenLink extends Link {
  readonly dialogue: Dialogue;
}

/** Idle connections kept for progress interactions, to one provider. */
const KEPT_IDLE = 4;

export function createSession(options: SessionOptions): Session {
  const { transport, grammar } = options;
  const timeoutMs = options.timeoutMs ?? 60_000;
  const now = options.now ?? Date.now;
  const shared = new Map<string, Promise<OpenLink>>();
  const idle = new Map<string, OpenLink[]>();
  const all = new Set<OpenLink>();
  const name = randomBytes(6).toString('hex');
  let transaction = (BigInt(now()) << 22n) | BigInt(randomInt(2 ** 22));
  let closed = false;

  async function open(uri: string): Promise<OpenLink> {
    if (closed) throw malError('Shutdown', 'the session is closed');
    const pending = new Map<bigint, Exchange>();
    const receive = (message: IncomingMessage): void => {
      const { header } = message;
      if (header.interactionType === 'PUBSUB' && header.interactionStage === 6) link.notified(message);
      else pending.get(header.transactionId)?.push(message);
    };
    const dialogue = await transport.open(uri, receive);
    const ownUri = `${dialogue.localRoot}/${name}`;
    const link: OpenLink = {
      dialogue,
      channel: dialogue.channel,
      ownUri,
      notified: () => {},
      nextTransaction: () => {
        transaction += 1n;
        return transaction;
      },
      header: (target, interactionType, interactionStage, transactionId) => ({
        from: ownUri,
        to: target.uri,
        authenticationId: options.authenticationId ?? NO_AUTHENTICATION,
        timestamp: fromMs(now()),
        interactionType,
        interactionStage,
        transactionId,
        area: target.area,
        service: target.service,
        operation: target.operation,
        areaVersion: target.areaVersion,
        isError: false,
        supplements: [],
      }),
      async start(header, body, call = {}) {
        call.signal?.throwIfAborted();
        const id = header.transactionId;
        const exchange = new Exchange({
          channel: dialogue.channel,
          timeoutMs: call.timeoutMs ?? timeoutMs,
          signal: call.signal,
          done: () => pending.delete(id),
        });
        pending.set(id, exchange);
        try {
          await dialogue.channel.send({ header, body, encoding: transport.encoding });
        } catch (error) {
          exchange.finish();
          throw error;
        }
        return exchange;
      },
    };
    all.add(link);
    dialogue.channel.onClose(() => all.delete(link));
    return link;
  }

  return {
    grammar,
    transport,
    log: options.log ?? noLog,
    get closed() {
      return closed;
    },
    link(uri, purpose) {
      const key = `${purpose} ${rootOf(uri)}`;
      const known = shared.get(key);
      if (known !== undefined) return known;
      const opening = open(uri);
      shared.set(key, opening);
      const forget = (): void => {
        if (shared.get(key) === opening) shared.delete(key);
      };
      opening.then((link) => link.channel.onClose(forget), forget);
      return opening;
    },
    async acquire(uri) {
      const root = rootOf(uri);
      const kept = idle.get(root) ?? [];
      idle.set(root, kept);
      let link = kept.pop();
      while (link !== undefined && !link.channel.open) link = kept.pop();
      const used = link ?? (await open(uri));
      return {
        link: used,
        release: () => {
          if (!used.channel.open) return;
          if (kept.length < KEPT_IDLE && !closed) kept.push(used);
          else void used.dialogue.end();
        },
      };
    },
    async close() {
      closed = true;
      await Promise.allSettled(shared.values());
      const gone = [...all].map((link) => new Promise<void>((resolve) => link.channel.onClose(resolve)));
      await Promise.all([...all].map((link) => link.dialogue.end()));
      await Promise.all(gone);
    },
  };
}
