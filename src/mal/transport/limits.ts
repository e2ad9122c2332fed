/** Bounds of a transport and its connections. */
export interface TransportLimits {
  /** Longest message, header included, in bytes. */
  readonly message: number;
  readonly connections: number;
  /** What all connections together may hold of messages that are not complete. */
  readonly unfinishedBytes: number;
  /** What may be under way to a peer that does not read, before it is dropped. */
  readonly queuedBytes: number;
  readonly queuedMessages: number;
  /** A peer that takes, or completes, nothing for so long in the middle of a message is dropped. */
  readonly stallMs: number;
  /** A quiet connection is probed after this time. */
  readonly keepAliveMs: number;
  readonly connectMs: number;
}

export const TRANSPORT_LIMITS: TransportLimits = {
  message: 65 * 1024 * 1024,
  connections: 512,
  unfinishedBytes: 512 * 1024 * 1024,
  queuedBytes: 128 * 1024 * 1024,
  queuedMessages: 50_000,
  stallMs: 30_000,
  keepAliveMs: 30_000,
  connectMs: 10_000,
};
