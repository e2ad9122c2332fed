/** Request ids and file names of EDDS. They are compared with case. */

export interface RequestId {
  /** The id as text. */
  readonly text: string;
  readonly kind: 'BatchRequest' | 'StreamRequest';
  /** PktTmRaw, PktTcReport, PktTmStream … */
  readonly type: string;
  readonly domain: string;
  readonly number: number;
  /** Submission, nanoseconds since 1970 UTC, whole milliseconds. */
  readonly submittedAt: bigint;
  /** Four letters, a-z and A-Z. */
  readonly letters: string;
}

export interface ResponseFileName {
  /** What the user had put in front, with its closing dot; may be empty. */
  readonly prefix: string;
  readonly requestId: RequestId;
  /** When the file was made, nanoseconds since 1970 UTC. */
  readonly madeAt: bigint;
  readonly part: number;
  /** `xml`, `hex`, `xml.zip` … */
  readonly extension: string;
}

const ID =
  '(BatchRequest|StreamRequest)\\.([A-Za-z]+)\\.([A-Za-z0-9]+)\\.(\\d+)\\.(\\d{4}\\.\\d{3}(?:\\.\\d\\d){3}\\.\\d{3})\\.([A-Za-z]{4})';
const REQUEST_ID = new RegExp(`^${ID}$`);
/** The prefix may hold dots and even the words of an id: the rightmost id counts. */
const FILE_NAME = new RegExp(
  `^(.*)(${ID})@(\\d{4}\\.\\d{3}(?:\\.\\d\\d){3}\\.\\d{3})\\.(\\d{1,9})\\.(\\w+(?:\\.zip)?)$`,
);

/** Null when the text is no request id. */
export function parseRequestId(text: string): RequestId | null {
  const match = REQUEST_ID.exec(text);
  return match === null ? null : requestId(match, 0);
}

export function formatRequestId(id: Omit<RequestId, 'text'>): string {
  return `${id.kind}.${id.type}.${id.domain}.${id.number}.${formatDayTime(id.submittedAt)}.${id.letters}`;
}

/** Null when the name follows another rule; folders in front are not accepted. */
export function parseFileName(name: string): ResponseFileName | null {
  if (name.length > 1024 || name.includes('/')) return null;
  const match = FILE_NAME.exec(name);
  if (match === null) return null;
  const id = requestId(match, 2);
  const madeAt = parseDayTime(match[9]!);
  if (id === null || madeAt === null) return null;
  return { prefix: match[1]!, requestId: id, madeAt, part: Number(match[10]), extension: match[11]! };
}

export function formatFileName(name: Omit<ResponseFileName, 'requestId'> & { readonly requestId: string }): string {
  return `${name.prefix}${name.requestId}@${formatDayTime(name.madeAt)}.${name.part}.${name.extension}`;
}

/** Files of one request in their true order: by the time they were made, then by part as a number. */
export function compareFileNames(a: ResponseFileName, b: ResponseFileName): number {
  if (a.madeAt !== b.madeAt) return a.madeAt < b.madeAt ? -1 : 1;
  return a.part - b.part;
}

/** `YYYY.DDD.hh.mm.ss.mmm`. */
export function formatDayTime(time: bigint): string {
  const date = new Date(Number(time / 1_000_000n));
  const day = Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
  const clock = date.toISOString().slice(11, 23).replaceAll(':', '.');
  return `${date.getUTCFullYear()}.${String(day).padStart(3, '0')}.${clock}`;
}

/** Nanoseconds since 1970 UTC, or null when a number is out of its range. */
export function parseDayTime(text: string): bigint | null {
  const [year, day, hour, minute, second, millis] = text.split('.').map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = Date.UTC(year, 0, day, hour, minute, second, millis);
  const inRange = day >= 1 && hour < 24 && minute < 60 && second < 61;
  if (!inRange || new Date(Date.UTC(year, 0, day)).getUTCFullYear() !== year) return null;
  return BigInt(date) * 1_000_000n;
}

function requestId(match: RegExpExecArray, shift: number): RequestId | null {
  const [kind, type, domain, number, time, letters] = match.slice(1 + shift, 7 + shift) as string[];
  const submittedAt = parseDayTime(time!);
  if (submittedAt === null) return null;
  return {
    text: shift === 0 ? match[0] : match[2]!,
    kind: kind as RequestId['kind'],
    type: type!,
    domain: domain!,
    number: Number(number),
    submittedAt,
    letters: letters!,
  };
}
