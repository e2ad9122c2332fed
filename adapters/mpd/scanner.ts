import { isMpdError, MpdError, type ProductMetadata } from '../../src/mpd/index.js';
import type { MpdService } from './service.js';

const MS = 1_000_000n;
/** What a MAL Time can hold, in ms since 1970: days 0 to 65535 since 1958. */
export const FIRST_MS = -378_691_200_000n;
export const LAST_MS = FIRST_MS + 65_536n * 86_400_000n - 1n;

/**
 * All products of a provider that were created from `fromMs` on, in parts and by creation time from part to part. Where it answers
 * Too Many the window is cut in two.
 * @param domain asked for; null = all
 */
export async function* listCreated(
  service: Pick<MpdService, 'list'>,
  domain: readonly string[] | null,
  fromMs: bigint | null,
  signal: AbortSignal,
): AsyncGenerator<readonly ProductMetadata[]> {
  const whole = fromMs === null ? null : { first: fromMs < FIRST_MS ? FIRST_MS : fromMs, last: LAST_MS };
  const line: (Span | null)[] = [whole];
  for (let span = line.pop(); span !== undefined; span = line.pop()) {
    signal.throwIfAborted();
    let part: readonly ProductMetadata[];
    try {
      const created = span === null ? null : { start: span.first * MS, end: span.last * MS };
      part = await service.list({ domain, created }, signal);
    } catch (error) {
      if (!isMpdError(error, 'Too Many')) throw error;
      line.push(...halves(span ?? { first: FIRST_MS, last: LAST_MS }, error));
      continue;
    }
    yield part;
  }
}

interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** The later half first: the line is taken from its end. */
function halves({ first, last }: Span, error: MpdError): readonly Span[] {
  if (first === last) {
    throw new MpdError('Too Many', {
      class: 'fatal',
      message: `the provider has more products of ${new Date(Number(first)).toISOString()} than it lists at a time: raise its limit (${error.message})`,
      cause: error,
    });
  }
  const middle = (first + last) >> 1n;
  return [
    { first: middle + 1n, last },
    { first, last: middle },
  ];
}
