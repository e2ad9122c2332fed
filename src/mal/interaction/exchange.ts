import { isMalError, type MalError, malError } from '../errors.js';
import type { Channel, IncomingMessage } from '../message.js';

export interface ExchangeOptions {
  readonly channel: Channel;
  /** Longest wait for the next message. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called once, when no more messages are wanted. */
  readonly done: () => void;
}

/** More than this unread, and the channel is paused. */
const MANY_MESSAGES = 64;
const MANY_BYTES = 8 * 1024 * 1024;

/** The messages that answer one of ours, in their order. */
export class Exchange {
  private readonly queue: IncomingMessage[] = [];
  private bytes = 0;
  private paused = false;
  private failure: unknown = null;
  private finished = false;
  private waiting: {
    readonly resolve: (message: IncomingMessage) => void;
    readonly reject: (error: unknown) => void;
  } | null = null;
  private timer: NodeJS.Timeout | undefined;
  private readonly cleanups: (() => void)[] = [];

  constructor(private readonly options: ExchangeOptions) {
    const { signal, channel } = options;
    if (signal !== undefined) {
      const abort = (): void => this.fail(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      this.cleanups.push(() => signal.removeEventListener('abort', abort));
    }
    this.cleanups.push(channel.onClose(() => this.fail(malError('Destination Lost', 'the connection ended'))));
  }

  /** Takes a message that came in. */
  push(message: IncomingMessage): void {
    if (this.finished) return;
    const { waiting } = this;
    if (waiting !== null) {
      this.settle();
      waiting.resolve(message);
      return;
    }
    this.queue.push(message);
    this.bytes += message.body.length;
    if (!this.paused && (this.queue.length > MANY_MESSAGES || this.bytes > MANY_BYTES)) {
      this.paused = true;
      this.options.channel.pause();
    }
  }

  /** The next message. @throws MalError Delivery Timedout, Destination Lost, or the reason of the abort */
  next(): Promise<IncomingMessage> {
    const message = this.queue.shift();
    if (message !== undefined) {
      this.bytes -= message.body.length;
      this.unpause(this.queue.length * 2 < MANY_MESSAGES && this.bytes * 2 < MANY_BYTES);
      return Promise.resolve(message);
    }
    if (this.failure !== null) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      const { timeoutMs } = this.options;
      this.timer = setTimeout(
        () => this.fail(malError('Delivery Timedout', `no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
  }

  /** Wants no more messages; those that still come are dropped. */
  finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.settle();
    this.unpause(true);
    for (const cleanup of this.cleanups) cleanup();
    this.options.done();
  }

  private fail(error: unknown): void {
    if (this.failure !== null || this.finished) return;
    this.failure = error ?? malError('Internal', 'aborted');
    const { waiting } = this;
    this.settle();
    waiting?.reject(this.failure);
  }

  private settle(): void {
    clearTimeout(this.timer);
    this.waiting = null;
  }

  private unpause(enough: boolean): void {
    if (!this.paused || !enough) return;
    this.paused = false;
    this.options.channel.resume();
  }
}

export const isLost = (error: unknown): error is MalError =>
  isMalError(error, 'Destination Lost') || isMalError(error, 'Destination Transient');
