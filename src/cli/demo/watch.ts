import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ResponseProblem, readResponse } from '../../formats/edds-response/index.js';
import { decodeRecord } from '../../formats/scos2000/index.js';
import type { DeliveryInfo, Gateway, GatewayEvent, Principal } from '../../gateway/api.js';
import type { DemoOrder } from './orders.js';

/** What the demo tells, one JSON line each with `--json`. */
export type DemoEvent =
  | { readonly event: 'matched'; readonly order: number; readonly product: string }
  | {
      readonly event: 'delivered';
      readonly order: number;
      readonly product: string;
      readonly path: string;
      readonly bytes: number;
    }
  | {
      readonly event: 'verified';
      readonly order: number;
      readonly product: string;
      readonly path: string;
      readonly sha256: string;
      /** Of response files of EDDS: telemetry packets read from the delivered file. */
      readonly packets?: number;
    }
  | { readonly event: 'failed'; readonly order: number; readonly product: string; readonly reason: string };

export interface Watched {
  readonly gateway: Gateway;
  readonly principal: Principal;
  readonly orders: readonly DemoOrder[];
  /** Folder the products of the archive come from. */
  readonly products: string;
}

/** Follows the orders; each delivered file is read again and compared with its source and with the ledger. */
export async function* watchOrders(
  { gateway, principal, orders, products }: Watched,
  cursor: string,
  signal: AbortSignal,
): AsyncGenerator<DemoEvent> {
  const byId = new Map(orders.map((one) => [one.order, one]));
  const types = ['matched', 'delivered', 'failed'] as const;
  for await (const event of gateway.events.tail({ cursor, types }, signal, principal)) {
    const placed = event.orderID === null ? undefined : byId.get(event.orderID);
    if (placed === undefined) continue;
    const order = Number(placed.order);
    const product = productOf(event);
    if (event.type === 'matched') yield { event: 'matched', order, product };
    if (event.type === 'failed') {
      const reason = String(event.payload.reason ?? event.payload.cause ?? 'see the ledger');
      yield { event: 'failed', order, product, reason };
    }
    if (event.type !== 'delivered' || event.deliveryId === null) continue;
    const delivery = await gateway.deliveries.get(event.deliveryId, principal);
    if (delivery.location === null) continue;
    const path = fileURLToPath(delivery.location);
    yield { event: 'delivered', order, product, path, bytes: Number(delivery.bytes ?? 0n) };
    yield await verify(placed, delivery, path, products);
  }
}

/** Of the archive byte for byte by SHA-256 with its source, of EDDS by reading every packet; of both with the ledger. */
async function verify(
  { order: id, backend }: DemoOrder,
  delivery: DeliveryInfo,
  path: string,
  products: string,
): Promise<DemoEvent> {
  const [order, product] = [Number(id), delivery.ref.key];
  const failed = (reason: string): DemoEvent => ({ event: 'failed', order, product, reason });
  try {
    const found = await sha256(path);
    if (found !== delivery.checksum)
      return failed(`${path} has SHA-256 ${found}, the ledger says ${delivery.checksum}`);
    if (backend === 'edds')
      return { event: 'verified', order, product, path, sha256: found, packets: await countPackets(path) };
    const source = join(products, product);
    const held = await sha256(source);
    if (found !== held) return failed(`${path} has SHA-256 ${found}, its source ${source} has ${held}`);
    return { event: 'verified', order, product, path, sha256: found };
  } catch (error) {
    return failed((error as Error).message);
  }
}

/** @throws Error where the file is not sound */
async function countPackets(path: string): Promise<number> {
  let packets = 0;
  const onProblem = ({ reason, line }: ResponseProblem) => {
    throw new Error(`${path}, line ${line}: ${reason}`);
  };
  for await (const element of readResponse(createReadStream(path), { onProblem })) {
    if (element.kind === 'raw' && decodeRecord(element.bytes).problems.length === 0) packets++;
  }
  return packets;
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const productOf = ({ metadata, payload }: GatewayEvent): string =>
  metadata?.productRef.key ?? String(payload.key ?? '');
