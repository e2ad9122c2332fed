import type { Socket } from 'node:net';
import type { Encoding } from '../../encoding/encoding.js';
import { isMalError, type MalError, malError } from '../../errors.js';
import type { Channel, IncomingMessage, Log, MessageHeader, OutgoingMessage, Peer } from '../../message.js';
import { fromMs } from '../../types/index.js';
import type { TransportLimits } from '../limits.js';
import { Frames } from './frames.js';
import { type DecodedHeader, decodeHeader, headerBytes, VERSION } from './header.js';

/** Above this, {@link Channel.send} waits for the peer. */
const HIGH_WATER = 1024 * 1024;
/** Up to this, header and body are copied behind what else goes out in the same turn. */
const SMALL_MESSAGE = 16_384;
/** What is allocated at a time for small messages. */
const BATCH = 32_768;
const NOTHING = Buffer.alloc(0);

export interface ConnectionOptions {
  readonly encodings: readonly Encoding[];
  readonly limits: TransportLimits;
  readonly log: Log;
  /** Root URI of this end, for destinations without one. */
  readonly localRoot: string;
  readonly now: () => number;
  /** Bytes kept of unfinished messages, by all connections that share it. */
  readonly unfinished: { bytes: number };
  readonly receive: (message: IncomingMessage, channel: Channel) => void;
  /** Called instead for a message whose header could be read but that cannot be served. */
  readonly reject: (header: MessageHeader, error: MalError, channel: Channel) => void;
}

/** One TCP connection: messages in both directions. */
export class Connection implements Channel {
  readonly peer: Peer;
  readonly remoteRoot: string;
  encodings: readonly Encoding[];
  private readonly frames: Frames;
  private readonly closeListeners = new Set<() => void>();
  private waiting: (() => void)[] = [];
  private queuedMessages = 0;
  private pauses = 0;
  private corked = false;
  /** Small messages that go out at the end of this turn: the bytes of `batch` between the two places. */
  private batch = NOTHING;
  private batchStart = 0;
  private batchEnd = 0;
  private batched = 0;
  private readonly missing: { readonly from: string; readonly to: string; readonly now: bigint };
  private reason = 'closed by the peer';

  constructor(
    private readonly socket: Socket,
    private readonly options: ConnectionOptions,
  ) {
    this.peer = {
      address: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      port: socket.remotePort ?? 0,
      secure: 'encrypted' in socket,
    };
    this.remoteRoot = rootUri(this.peer.address, this.peer.port);
    this.encodings = options.encodings;
    this.missing = {
      from: this.remoteRoot,
      to: options.localRoot,
      get now() {
        return fromMs(options.now());
      },
    };
    const { limits } = options;
    this.frames = new Frames(limits.message, {
      held: () => this.pauses > 0,
      keep: (bytes) => {
        options.unfinished.bytes += bytes;
        return options.unfinished.bytes <= limits.unfinishedBytes;
      },
      frame: (frame) => this.frame(frame),
      tooLong: (length, start) => this.tooLong(length, start),
      broken: (reason) => this.close(reason),
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, limits.keepAliveMs);
    socket.setTimeout(limits.stallMs, () => this.idle());
    socket.on('data', (chunk: Buffer) => this.frames.push(chunk));
    socket.on('drain', () => this.wake());
    socket.on('error', (error) => {
      this.reason = error.message;
    });
    socket.on('close', () => this.closed());
  }

  get open(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  settle(encoding: Encoding): void {
    if (this.encodings.length > 1) this.encodings = [encoding];
  }

  send(message: OutgoingMessage): Promise<void> {
    if (!this.open) return Promise.reject(lost(this.reason));
    try {
      this.write(message);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.unsent > HIGH_WATER ? this.drained() : SENT;
  }

  private async drained(): Promise<void> {
    while (this.unsent > HIGH_WATER) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
      if (!this.open) throw lost(this.reason);
    }
  }

  get congested(): boolean {
    const { queuedBytes, queuedMessages } = this.options.limits;
    return this.socket.writableLength > queuedBytes / 8 || this.queuedMessages > queuedMessages / 8;
  }

  async relieved(): Promise<void> {
    while (this.open && this.congested) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  offer(message: OutgoingMessage): boolean {
    if (!this.open) return false;
    const { queuedBytes, queuedMessages } = this.options.limits;
    if (this.unsent > queuedBytes || this.queuedMessages >= queuedMessages) {
      this.close(`the peer leaves ${this.queuedMessages} messages, ${this.unsent} bytes unread`);
      return false;
    }
    this.write(message);
    return true;
  }

  pause(): void {
    if (this.pauses++ === 0) this.socket.pause();
  }

  resume(): void {
    if (--this.pauses > 0) return;
    this.frames.resume();
    if (this.pauses === 0) this.socket.resume();
  }

  close(reason: string): void {
    if (this.socket.destroyed) return;
    this.reason = reason;
    this.options.log('warn', 'maltcp connection dropped', { peer: this.remoteRoot, reason });
    this.socket.destroy();
  }

  /** Ends the connection once everything written has gone out. */
  end(): void {
    this.reason = 'closed here';
    this.flush();
    this.socket.end();
  }

  onClose(listener: () => void): () => void {
    if (this.socket.closed) listener();
    else this.closeListeners.add(listener);
    return () => this.closeListeners.delete(listener);
  }

  /** Bytes that the peer has not taken. */
  private get unsent(): number {
    return this.socket.writableLength + this.batchEnd - this.batchStart;
  }

  private write({ header, body, encoding }: OutgoingMessage): void {
    let size = 0;
    for (const piece of body) size += piece.length;
    const head = headerBytes(header, encoding.id, size);
    if (!this.corked) {
      this.corked = true;
      this.socket.cork();
      process.nextTick(() => {
        this.corked = false;
        this.flush();
        this.socket.uncork();
      });
    }
    this.queuedMessages++;
    if (head.length + size <= SMALL_MESSAGE) {
      this.reserve(head.length + size);
      this.copy(head);
      for (const piece of body) this.copy(piece);
      this.batched++;
      return;
    }
    this.flush();
    const pieces = [Uint8Array.from(head), ...body];
    pieces.forEach((piece, i) => {
      if (i === pieces.length - 1) this.socket.write(piece, () => this.queuedMessages--);
      else this.socket.write(piece);
    });
  }

  private reserve(size: number): void {
    if (this.batchEnd + size <= this.batch.length) return;
    this.flush();
    if (this.batchEnd + size <= this.batch.length) return;
    this.batch = Buffer.allocUnsafeSlow(BATCH);
    this.batchStart = 0;
    this.batchEnd = 0;
  }

  private copy(bytes: Uint8Array): void {
    this.batch.set(bytes, this.batchEnd);
    this.batchEnd += bytes.length;
  }

  private flush(): void {
    if (this.batched === 0) return;
    const count = this.batched;
    const bytes = this.batch.subarray(this.batchStart, this.batchEnd);
    this.batched = 0;
    this.batchStart = this.batchEnd;
    this.socket.write(bytes, () => {
      this.queuedMessages -= count;
    });
  }

  private frame(frame: Buffer): void {
    const decoded = this.header(frame);
    if (decoded === null) return;
    const { header, encodingId, version, bodyStart } = decoded;
    if (version !== VERSION) {
      this.options.reject(header, malError('Bad Encoding', `maltcp version ${version}`), this);
      return;
    }
    if (encodingId !== 0 && this.encodings.length > 1) {
      const told = this.encodings.find((encoding) => encoding.id === encodingId);
      if (told !== undefined) this.settle(told);
    }
    this.options.receive({ header, body: frame.subarray(bodyStart) }, this);
  }

  private tooLong(length: number, start: Buffer): void {
    const decoded = this.header(start);
    if (decoded === null) return;
    const limit = this.options.limits.message;
    this.options.reject(
      decoded.header,
      malError('Bad Encoding', `a message of ${length} bytes; the limit is ${limit}`),
      this,
    );
  }

  /** Null when the header cannot be read; the length in front of it keeps the stream in step. */
  private header(frame: Buffer): DecodedHeader | null {
    try {
      const decoded = decodeHeader(frame, this.missing);
      const { header } = decoded;
      if (header.from.includes('://') && header.to.includes('://')) return decoded;
      return {
        ...decoded,
        header: {
          ...header,
          from: expand(header.from, this.remoteRoot),
          to: expand(header.to, this.options.localRoot),
        },
      };
    } catch (error) {
      if (!isMalError(error)) throw error;
      this.options.log('warn', 'maltcp message without a readable header', {
        peer: this.remoteRoot,
        reason: error.message,
      });
      return null;
    }
  }

  private idle(): void {
    if (this.socket.writableLength > 0) this.close(`the peer took nothing for ${this.options.limits.stallMs} ms`);
    else if (this.frames.partial && this.pauses === 0) {
      this.close(`the peer left a message unfinished for ${this.options.limits.stallMs} ms`);
    }
  }

  private wake(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }

  private closed(): void {
    this.frames.release();
    this.wake();
    const listeners = [...this.closeListeners];
    this.closeListeners.clear();
    for (const listener of listeners) listener();
  }
}

/** A short URI, as a name alone, belongs to the given root. */
const expand = (uri: string, root: string): string => (uri.includes('://') ? uri : `${root}/${uri}`);

export const rootUri = (host: string, port: number): string =>
  `maltcp://${host.includes(':') ? `[${host}]` : host}:${port}`;

const SENT = Promise.resolve();

const lost = (reason: string): MalError => malError('Destination Lost', reason);
