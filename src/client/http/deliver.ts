import type { ObjectRef } from '../../mal/index.js';
import { type ErrorClass, MpdError, type MpdErrorCode } from '../../mpd/index.js';
import type { DeliveredFile, DeliverOptions, FileDelivery } from '../client.js';
import { linesOf } from './lines.js';
import { chunksOf, type Transport } from './transport.js';
import { DeliverShape, DeliverStartShape, FileDeliveredShape, ListEndShape } from './wire/index.js';

/** deliverProductFiles: rejects before the first file when a reference is unknown or the target refuses. */
export async function deliverFiles(
  transport: Transport,
  refs: readonly ObjectRef[],
  deliverTo: string,
  { signal, form }: DeliverOptions,
): Promise<FileDelivery> {
  const { stream } = await transport.send({
    method: 'POST',
    path: '/api/v1/products:deliver',
    json: DeliverShape.encode({ productRefs: refs, deliverTo, ...(form !== undefined && { form }) }),
    headers: { Accept: 'application/x-ndjson' },
    signal,
    patient: true,
  });
  // A file may take longer than any sign of life: the report is as patient as the delivery.
  stream.setTimeout(0);
  const lines = linesOf(chunksOf(stream, transport.base, signal));
  const start = await lines.next();
  if (start.done === true) throw cut(null);
  const { orderID } = DeliverStartShape.decode(JSON.parse(start.value)).accepted;

  async function* files(): AsyncGenerator<DeliveredFile> {
    try {
      for await (const line of lines) {
        const json: unknown = JSON.parse(line);
        if (typeof json === 'object' && json !== null && 'end' in json) {
          const { complete, error } = ListEndShape.decode(json).end;
          if (complete) return;
          throw error === undefined ? cut(orderID) : failed(error.code, error.detail, orderID);
        }
        const { index, metadata, filename, success, delivery } = FileDeliveredShape.decode(json);
        yield { index, metadata, filename, success, cause: success ? null : delivery.cause };
      }
      throw cut(orderID);
    } finally {
      stream.destroy();
    }
  }
  return { orderID, files: files() };
}

const cut = (orderID: bigint | null): MpdError =>
  new MpdError('Destination Lost', {
    class: 'retry',
    message: `the report was cut${orderID === null ? '' : `; the delivery goes on as order ${orderID}`}`,
  });

function failed(code: string, detail: string, orderID: bigint): MpdError {
  const errorClass: ErrorClass = code === 'Shutdown' ? 'retry' : 'refuse';
  return new MpdError(code as MpdErrorCode, {
    class: errorClass,
    message: `${detail}; the delivery goes on as order ${orderID}`,
  });
}
