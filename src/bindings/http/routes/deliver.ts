import { DeliverStartShape, FileDeliveredShape, ListEndShape } from '../../../client/http/wire/index.js';
import type { FileDelivered } from '../../../gateway/api.js';
import type { ObjectRef } from '../../../mal/index.js';
import { asFault, stopping } from '../fault.js';
import type { Call } from '../route.js';
import { lineWriter, startLines } from '../send/ndjson.js';

/** Progress of deliverProductFiles as lines: accepted, one a file in request order, end. */
export async function deliverFiles(
  call: Call,
  refs: readonly ObjectRef[],
  deliverTo: string,
  form: string | null,
): Promise<void> {
  const { res, gateway, principal, signal, config, links } = call;
  const { orderID, files } = await gateway.deliveries.deliverFiles(refs, deliverTo, principal, signal, form);
  call.unbounded();
  startLines(res);
  const writer = lineWriter(res, { signal, stallMs: config.limits.stallMs, gather: 0 });
  await writer.row(DeliverStartShape, { accepted: { orderID, files: refs.length } });
  const iterator = files[Symbol.asyncIterator]();
  const stopped = untilAborted(call.stopping);
  let count = 0;
  const end = async (complete: boolean, error?: { code: string; detail: string }): Promise<void> => {
    await writer.row(ListEndShape, { end: { complete, count, next: null, ...(error === undefined ? {} : { error }) } });
    res.end();
  };
  try {
    for (;;) {
      const item = await Promise.race([iterator.next(), stopped.promise]);
      if (item === 'stopping') return await end(false, { code: 'Shutdown', detail: stopping().message });
      if (item.done === true) return await end(true);
      const file: FileDelivered = { ...item.value, metadata: links.withExternalUri(item.value.metadata, principal.id) };
      await writer.row(FileDeliveredShape, file);
      count += 1;
    }
  } catch (error) {
    signal.throwIfAborted();
    const fault = asFault(error);
    call.log.warn({ err: fault.cause ?? fault, code: fault.code }, 'delivery report ended early');
    await end(false, { code: fault.code, detail: fault.message });
  } finally {
    stopped.forget();
    // The iterator may be waiting for a file for long: nobody waits for its end here.
    void Promise.resolve(iterator.return?.()).catch((error: unknown) =>
      call.log.debug({ err: error }, 'report closed'),
    );
  }
}

export function untilAborted(signal: AbortSignal): {
  readonly promise: Promise<'stopping'>;
  readonly forget: () => void;
} {
  let onAbort = (): void => undefined;
  const promise = new Promise<'stopping'>((resolve) => {
    onAbort = () => resolve('stopping');
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  return { promise, forget: () => signal.removeEventListener('abort', onAbort) };
}
