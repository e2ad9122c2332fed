import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  problemText,
  type ResponseWriter,
  responseReader,
  responseWriter,
} from '../../src/formats/edds-response/index.js';
import { MpdError } from '../../src/mpd/index.js';
import type { FileCache, Receiver } from './cache.js';
import { gate } from './gate.js';
import { fetchParts, type StoredPart } from './parts.js';
import type { EddsService, JobStatus, Neutral } from './service.js';
import { ForeignRequest, requestName, type Submitter } from './submit.js';

export interface RetrieverOptions {
  readonly service: EddsService;
  readonly submitter: Submitter;
  readonly cache: FileCache;
}

/** Runs one-off batches: submits, waits, fetches every part. So many at once as the profile allows. */
export function retriever(options: RetrieverOptions) {
  const { service, submitter, cache } = options;
  const { limits } = service.profile;
  const batches = gate(limits.batches);

  const wait = async (requestId: string, signal: AbortSignal, progress: (text: string) => void): Promise<JobStatus> => {
    const end = performance.now() + limits.deadline;
    for (let pause = limits.poll; ; pause = Math.min(pause * 1.5, limits.pollMax)) {
      const status = await service.status(requestId, signal);
      const { State } = status.details;
      if (status.state === 'done') return status;
      if (status.state === 'failed' || status.state === 'cancelled' || status.state === 'expired')
        throw ended(requestId, status);
      if (performance.now() > end) {
        await service.cancel(requestId, signal).catch(() => undefined);
        throw new MpdError('Internal', {
          class: 'retry',
          message: `EDDS request ${requestId} is ${State} after ${Math.round(limits.deadline / 1000)} s; it was given up`,
        });
      }
      progress(`EDDS request ${requestId} is ${State}`);
      await sleep(pause, undefined, { signal });
    }
  };

  return {
    get pending() {
      return { running: batches.busy, waiting: batches.waiting };
    },

    /** Hands on the parts in order; all of them, or an error. */
    async run(
      dataType: string,
      values: Neutral,
      take: (part: StoredPart) => Promise<void>,
      signal: AbortSignal,
      progress: (text: string) => void = () => undefined,
    ): Promise<void> {
      await batches.run(async () => {
        for (let attempt = 1; ; attempt++) {
          const name = requestName();
          const requestId = await submitter.submit({ kind: 'batch', dataType, name, values, sentAt: null }, signal);
          progress(`EDDS request ${requestId} is submitted`);
          let taken = 0;
          try {
            await wait(requestId, signal, progress);
            for await (const part of fetchParts(service, cache, requestId, signal)) {
              submitter.verify(requestId, name, part.fileName);
              taken++;
              await take(part);
            }
            return;
          } catch (error) {
            // Somebody else's request was taken for ours: nothing was handed on yet.
            const mistaken = error instanceof ForeignRequest && taken === 0;
            if (!mistaken || attempt >= 3) throw error;
          }
        }
      }, signal);
    },
  };
}

export type Retriever = ReturnType<typeof retriever>;

function ended(requestId: string, status: JobStatus): MpdError {
  const { State, Error: code, Reason } = status.details;
  const why = [code, Reason].filter((text) => text !== null && text !== '').join(': ');
  return new MpdError('Internal', {
    class: 'retry',
    message: `EDDS request ${requestId} ended ${State}${why === '' ? '' : ` (${why})`}`,
    cause: new Error(Reason ?? State ?? 'no reason given'),
  });
}

/** What the merging of parts came to. */
export interface Merged {
  readonly problems: number;
  /** The first of them, with its place in its part. */
  readonly fault: string | null;
  /** The one part there was, which is the result as it came. */
  readonly only: StoredPart | null;
}

/** Writes the elements of parts as one response; a single part is taken as it came. */
export function partMerger(receiver: Receiver) {
  let writer: ResponseWriter | null = null;
  let problems = 0;
  let fault: string | null = null;
  let only: StoredPart | null = null;

  return {
    async add(part: StoredPart): Promise<void> {
      if (part.ordinal === 1 && part.last === true) {
        only = part;
        return;
      }
      let text = '';
      const reader = responseReader({
        onProblem(problem) {
          problems++;
          fault ??= `${problemText(problem)} of part ${part.ordinal}`;
        },
        onElement(element) {
          if (writer === null) {
            writer = responseWriter(element.kind);
            text += writer.head();
          }
          try {
            text += writer.element(element);
          } catch (error) {
            if (!(error instanceof TypeError)) throw error;
            problems++;
            fault ??= `${error.message} in part ${part.ordinal}`;
          }
        },
      });
      for await (const chunk of createReadStream(part.file.path)) {
        reader.write(chunk as Buffer);
        if (text.length > 65_536) {
          await receiver.write(Buffer.from(text));
          text = '';
        }
      }
      reader.end();
      if (writer === null && reader.kind !== null) {
        writer = responseWriter(reader.kind);
        text = writer.head();
      }
      if (text !== '') await receiver.write(Buffer.from(text));
    },
    async end(): Promise<Merged> {
      if (writer !== null) await receiver.write(Buffer.from((writer as ResponseWriter).tail()));
      return { problems, fault, only };
    },
  };
}
