const NEWLINE = 10;

/** Lines of UTF-8 text without their ends; fails above `max` bytes for one line. The last line may lack its end. */
export async function* readLines(input: AsyncIterable<Uint8Array>, max: number): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, at)]).toString();
      parts = [];
      size = 0;
      from = at + 1;
    }
    size += chunk.length - from;
    if (size > max) throw new Error(`a line is longer than ${max} bytes`);
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
  if (size > 0) yield Buffer.concat(parts).toString();
}
