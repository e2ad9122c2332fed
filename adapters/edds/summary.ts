import { createReadStream } from 'node:fs';
import { elementTime, problemText, responseReader } from '../../src/formats/edds-response/index.js';
import type { StoredPart } from './parts.js';

/** What a part holds. */
export interface Summary {
  readonly elements: number;
  readonly problems: number;
  /** The first of them. */
  readonly fault: string | null;
  /** From when to when its elements are, ns; null = none has a time. */
  readonly first: bigint | null;
  readonly last: bigint | null;
}

export async function summarise(part: StoredPart): Promise<Summary> {
  let elements = 0;
  let problems = 0;
  let fault: string | null = null;
  let first: bigint | null = null;
  let last: bigint | null = null;
  const reader = responseReader({
    onProblem(problem) {
      problems++;
      fault ??= problemText(problem);
    },
    onElement(element) {
      elements++;
      const time = elementTime(element);
      if (time === null) return;
      if (first === null || time < first) first = time;
      if (last === null || time > last) last = time;
    },
  });
  for await (const chunk of createReadStream(part.file.path)) reader.write(chunk as Buffer);
  reader.end();
  return { elements, problems, fault, first, last };
}
