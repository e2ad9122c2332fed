/** Splits bytes into lines without their ends (LF, CRLF); a last line without an end is given too. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, limit = 64 * 1024 * 1024): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      yield rest.slice(start, rest[end - 1] === '\r' && end > start ? end - 1 : end);
      start = end + 1;
    }
    rest = rest.slice(start);
    if (rest.length > limit) throw new RangeError(`a line of more than ${limit} characters`);
  }
  if (rest !== '') yield rest;
}

export interface ServerEvent {
  /** Last id seen, also from blocks without an event. */
  readonly id: string | null;
  /** Empty for a block that only moves the id. */
  readonly data: string;
  readonly event: string;
}

/** Server-sent events (WHATWG HTML §9.2.6) of one connection; a block cut off by its end is dropped. */
export async function* serverEvents(lines: AsyncIterable<string>): AsyncGenerator<ServerEvent> {
  let id: string | null = null;
  let event = '';
  let data: string[] = [];
  let any = false;
  for await (const line of lines) {
    if (line === '') {
      if (any) yield { id, event: event || 'message', data: data.join('\n') };
      event = '';
      data = [];
      any = false;
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'id') id = value;
    else if (name === 'event') event = value;
    else if (name === 'data') data.push(value);
    else continue;
    any = true;
  }
}
