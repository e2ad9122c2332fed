import type { ServerResponse } from 'node:http';
import type { Encoding } from '../../encoding/encoding.js';
import { type MalError, malError } from '../../errors.js';
import type { Channel, Log, MessageHeader, OutgoingMessage, Peer } from '../../message.js';
import type { TransportLimits } from '../limits.js';
import { encodeHeaders } from './header.js';
import type { MalhttpMode, Poster } from './post.js';

export interface ConsumerChannelOptions {
  /** URI of the consumer. */
  readonly uri: string;
  readonly peer: Peer;
  readonly encodings: readonly Encoding[];
  readonly poster: Poster;
  readonly mode: MalhttpMode;
  readonly limits: TransportLimits;
  readonly log: Log;
  /** Whether the consumer's URI may be connected to. */
  readonly mayPost: boolean;
  /** Called when nothing is under way or listened for any more. */
  readonly idle: () => void;
}

/** Above this, {@link Channel.send} waits. */
const HIGH_WATER = 1024 * 1024;

/** The way to one consumer: first answers go into the HTTP responses they belong to, all else is posted, one by one. */
export class ConsumerChannel implements Channel {
  readonly peer: Peer;
  encodings: readonly Encoding[];
  open = true;
  /** Open responses, by their transactions. */
  private readonly responses = new Map<bigint, ServerResponse>();
  private readonly queue: OutgoingMessage[] = [];
  private queuedBytes = 0;
  private posting = false;
  private waiting: (() => void)[] = [];
  private readonly closeListeners = new Set<() => void>();

  constructor(private readonly options: ConsumerChannelOptions) {
    this.peer = options.peer;
    this.encodings = options.encodings;
  }

  /** Keeps a response open for the first answer to a message. */
  await({ transactionId: id }: MessageHeader, response: ServerResponse): void {
    this.responses.set(id, response);
    response.on('close', () => {
      if (this.responses.get(id) === response) this.responses.delete(id);
      this.rest();
    });
  }

  settle(encoding: Encoding): void {
    if (this.encodings.length > 1) this.encodings = [encoding];
  }

  async send(message: OutgoingMessage): Promise<void> {
    const response = this.responses.get(message.header.transactionId);
    if (response !== undefined && message.header.interactionStage !== 6) {
      await this.respond(response, message);
      return;
    }
    if (!this.offer(message)) throw malError('Destination Lost', `${this.options.uri} takes no messages`);
    while (this.queuedBytes > HIGH_WATER) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
      if (!this.open) throw malError('Destination Lost', `${this.options.uri} takes no messages`);
    }
  }

  offer(message: OutgoingMessage): boolean {
    const { limits, mayPost, uri } = this.options;
    if (!this.open) return false;
    if (!mayPost) {
      this.close(`messages to ${uri} are not allowed: it is not the address of the consumer`);
      return false;
    }
    if (this.queuedBytes > limits.queuedBytes || this.queue.length >= limits.queuedMessages) {
      this.close(`the consumer leaves ${this.queue.length} messages, ${this.queuedBytes} bytes untaken`);
      return false;
    }
    this.queue.push(message);
    this.queuedBytes += sizeOf(message);
    if (!this.posting) void this.post();
    return true;
  }

  /** Requests come one by one over HTTP: there is nothing to hold back. */
  pause(): void {}
  resume(): void {}

  close(reason: string): void {
    if (!this.open) return;
    this.open = false;
    this.options.log('warn', 'malhttp consumer dropped', { consumer: this.options.uri, reason });
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.wake();
    for (const response of this.responses.values()) response.destroy();
    const listeners = [...this.closeListeners];
    this.closeListeners.clear();
    for (const listener of listeners) listener();
    this.options.idle();
  }

  onClose(listener: () => void): () => void {
    if (this.open) this.closeListeners.add(listener);
    else listener();
    return () => {
      this.closeListeners.delete(listener);
      this.rest();
    };
  }

  /** Answers that nothing follows. */
  noContent(response: ServerResponse): void {
    response.writeHead(204).end();
  }

  private async respond(response: ServerResponse, message: OutgoingMessage): Promise<void> {
    const { header, body, encoding } = message;
    this.responses.delete(header.transactionId);
    const accepted = header.interactionType === 'INVOKE' && header.interactionStage === 2;
    response.writeHead(accepted ? 202 : 200, encodeHeaders(header, encoding, sizeOf(message)));
    for (const piece of body) response.write(piece);
    await new Promise<void>((resolve, reject) => {
      response.on('close', () => {
        if (response.writableFinished) resolve();
        else reject(malError('Destination Lost', `${this.options.uri} did not take its answer`));
      });
      response.end(resolve);
    });
  }

  private async post(): Promise<void> {
    this.posting = true;
    for (let message = this.queue[0]; message !== undefined && this.open; message = this.queue[0]) {
      try {
        const { status } = await this.options.poster.post(message, this.options.mode);
        if (status >= 300) throw malError('Destination Transient', `HTTP status ${status}`);
      } catch (error) {
        this.close((error as MalError).message);
        break;
      }
      if (this.queue[0] !== message) break;
      this.queue.shift();
      this.queuedBytes -= sizeOf(message);
      if (this.queuedBytes <= HIGH_WATER) this.wake();
    }
    this.posting = false;
    this.rest();
  }

  private wake(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }

  private rest(): void {
    if (this.responses.size === 0 && this.queue.length === 0 && this.closeListeners.size === 0) this.options.idle();
  }
}

const sizeOf = ({ body }: OutgoingMessage): number => body.reduce((sum, piece) => sum + piece.length, 0);
