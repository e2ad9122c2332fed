import type { Readable } from 'node:stream';

/** An answer that carries bytes from an offset on. */
export interface Answer {
  readonly stream: Readable;
  /** As `Body.release`. */
  readonly release?: (chunk: Uint8Array) => void;
  /** Of the whole object; null = not told. */
  readonly size: number | null;
  /** Without quotes; null = not told. */
  readonly etag: string | null;
}

export interface FetchOptions {
  readonly offset: number;
  /** Only this content; another one is `changed`. null = whatever is there. */
  readonly etag: string | null;
  /** So many bytes that a connection of its own is worth it, and their chunks are released. */
  readonly large?: boolean;
  readonly signal: AbortSignal;
}

/** Where bodies come from. `changed`: another content is there now; `missing`: nothing is. Other failures are MpdError. */
export interface ByteSource {
  fetch(url: string, options: FetchOptions): Promise<Answer | 'changed' | 'missing'>;
  /** For an operator: what answers and what does not. */
  check(signal: AbortSignal): Promise<readonly string[]>;
  close(): void;
}

export const bareEtag = (etag: string | undefined): string | null =>
  etag?.replace(/^W\//, '').replaceAll('"', '') || null;
