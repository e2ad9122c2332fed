import type { Encoding } from '../../encoding/encoding.js';
import { binaryFixed } from '../../encoding/index.js';
import { malError } from '../../errors.js';
import type { Channel, IncomingMessage, OutgoingMessage, Peer, Receive } from '../../message.js';
import type { ClientTransport } from '../transport.js';

const PEER: Peer = { address: '', port: 0, secure: true };
/** Messages handed over but not yet taken, before {@link Channel.send} waits. */
const MANY_WAITING = 64;

export interface InProcessOptions {
  /** The provider's side, as {@link Provider.receive}. */
  readonly receive: Receive;
  readonly encoding?: Encoding;
}

/** Joins consumers to a provider of the same process; bodies are encoded as on any wire. */
export function inProcessClient({ receive, encoding = binaryFixed }: InProcessOptions): ClientTransport {
  let opened = 0;
  return {
    scheme: 'inprocess',
    encoding,
    open(_uri, receiveReply) {
      const link: Link = { open: true, listeners: new Set(), drained: [] };
      const provider = new InProcessChannel(link, encoding);
      const consumer = new InProcessChannel(link, encoding);
      join(provider, consumer, receiveReply);
      join(consumer, provider, receive);
      opened++;
      return Promise.resolve({
        channel: consumer,
        localRoot: `inprocess://consumer-${opened}`,
        end: async () => consumer.close('closed here'),
      });
    },
  };
}

function join(from: InProcessChannel, to: InProcessChannel, receive: Receive): void {
  from.deliver = (message) => receive(message, to);
  to.sender = from;
}

interface Link {
  open: boolean;
  readonly listeners: Set<() => void>;
  /** Senders that wait, of both ends. */
  drained: (() => void)[];
}

/** One end; what it sends comes out of the other end's `deliver`. */
class InProcessChannel implements Channel {
  readonly peer = PEER;
  readonly encodings: readonly Encoding[];
  deliver: (message: IncomingMessage) => void = () => {};
  /** The end that sends to this one. */
  sender: InProcessChannel | null = null;
  private readonly waiting: IncomingMessage[] = [];
  private held = 0;
  private scheduled = false;

  constructor(
    private readonly link: Link,
    encoding: Encoding,
  ) {
    this.encodings = [encoding];
  }

  get open(): boolean {
    return this.link.open;
  }

  settle(): void {}

  async send(message: OutgoingMessage): Promise<void> {
    if (!this.offer(message)) throw malError('Destination Lost', 'the channel is closed');
    while (this.waiting.length > MANY_WAITING) {
      await new Promise<void>((resolve) => this.link.drained.push(resolve));
      if (!this.link.open) throw malError('Destination Lost', 'the channel is closed');
    }
  }

  offer({ header, body }: OutgoingMessage): boolean {
    if (!this.link.open) return false;
    this.waiting.push({ header, body: Buffer.concat(body) });
    this.schedule();
    return true;
  }

  pause(): void {
    this.sender!.held++;
  }

  resume(): void {
    this.sender!.held--;
    this.sender!.schedule();
  }

  close(_reason: string): void {
    if (!this.link.open) return;
    this.link.open = false;
    for (const resolve of this.link.drained.splice(0)) resolve();
    const listeners = [...this.link.listeners];
    this.link.listeners.clear();
    for (const listener of listeners) listener();
  }

  onClose(listener: () => void): () => void {
    if (this.link.open) this.link.listeners.add(listener);
    else listener();
    return () => this.link.listeners.delete(listener);
  }

  private schedule(): void {
    if (this.scheduled || this.held > 0 || this.waiting.length === 0) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      const message = this.link.open && this.held === 0 ? this.waiting.shift() : undefined;
      if (message === undefined) return;
      this.deliver(message);
      this.schedule();
      for (const resolve of this.link.drained.splice(0)) resolve();
    });
  }
}
