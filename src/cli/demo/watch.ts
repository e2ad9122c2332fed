import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeliveryInfo, Gateway, GatewayEvent, Principal } from '../../gateway/api.js';

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
  | { readonly event: 'verified'; readonly product: string; readonly path: string; readonly sha256: string }
  | { readonly event: 'failed'; readonly product: string; readonly reason: string };

export interface Watched {
  readonly gateway: Gateway;
  readonly principal: Principal;
  readonly order: bigint;
  /** Folder the products come from. */
  readonly products: string;
}

/** Follows one order; each delivered file is read again and compared, byte for byte by SHA-256, with its source and with the ledger. */
export async function* watchOrder(
  { gateway, principal, order, products }: Watched,
  cursor: string,
  signal: AbortSignal,
): AsyncGenerator<DemoEvent> {
  const types = ['matched', 'delivered', 'failed'] as const;
  for await (const event of gateway.events.tail({ cursor, orderID: order, types }, signal, principal)) {
    const product = productOf(event);
    if (event.type === 'matched') yield { event: 'matched', order: Number(order), product };
    if (event.type === 'failed')
      yield {
        event: 'failed',
        product,
        reason: String(event.payload.reason ?? event.payload.cause ?? 'see the ledger'),
      };
    if (event.type !== 'delivered' || event.deliveryId === null) continue;
    const delivery = await gateway.deliveries.get(event.deliveryId, principal);
    if (delivery.location === null) continue;
    const path = fileURLToPath(delivery.location);
    yield { event: 'delivered', order: Number(order), product, path, bytes: Number(delivery.bytes ?? 0n) };
    yield await verify(delivery, path, join(products, delivery.ref.key));
  }
}

async function verify(delivery: DeliveryInfo, path: string, source: string): Promise<DemoEvent> {
  const product = delivery.ref.key;
  try {
    const [found, held] = await Promise.all([sha256(path), sha256(source)]);
    if (found !== delivery.checksum)
      return { event: 'failed', product, reason: `${path} has SHA-256 ${found}, the ledger says ${delivery.checksum}` };
    if (found !== held)
      return { event: 'failed', product, reason: `${path} has SHA-256 ${found}, its source ${source} has ${held}` };
    return { event: 'verified', product, path, sha256: found };
  } catch (error) {
    return { event: 'failed', product, reason: (error as Error).message };
  }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const productOf = ({ metadata, payload }: GatewayEvent): string =>
  metadata?.productRef.key ?? String(payload.key ?? '');
