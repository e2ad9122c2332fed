/** What became of who reads. */
export type Taken<T> = { readonly value: T } | { readonly error: unknown };

/** Hands a stream on and tells apart who failed: a fault of the stream is thrown, one of its reader is given back. */
export async function handOn<T>(
  stream: AsyncIterable<Uint8Array>,
  take: (stream: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<Taken<T>> {
  let failed: { readonly error: unknown } | null = null;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* stream;
    } catch (error) {
      failed = { error };
      throw error;
    }
  }
  try {
    return { value: await take(watched()) };
  } catch (error) {
    if (failed !== null) throw (failed as { readonly error: unknown }).error;
    return { error };
  }
}

/** The value, or the reader's own error; null when there was nothing to read. */
export function taken<T>(result: Taken<T> | null): T | null {
  if (result === null) return null;
  if ('error' in result) throw result.error;
  return result.value;
}
