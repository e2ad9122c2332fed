import type { Encoding } from '../encoding/encoding.js';
import type { Channel, Receive } from '../message.js';

/** A consumer's way to one provider. */
export interface Dialogue {
  readonly channel: Channel;
  /** Root of the URIs under which this consumer is reached; unique to the dialogue. */
  readonly localRoot: string;
  /** Closes once everything has gone out. */
  end(): Promise<void>;
}

/** What a consumer needs of a transport. */
export interface ClientTransport {
  readonly scheme: string;
  readonly encoding: Encoding;
  /**
   * Opens a way to the provider of a URI; `receive` gets all that comes back.
   * @throws MalError Destination Transient when it cannot be reached, Destination Unknown when the URI is none
   */
  open(uri: string, receive: Receive): Promise<Dialogue>;
}
