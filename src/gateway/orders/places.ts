import type { Kysely } from 'kysely';
import { decodeTree } from '../../mpd/filter/index.js';
import { deliveryFailed } from '../../mpd/index.js';
import type { OrderPlaces } from '../placement.js';
import type { CoreTables } from '../schema.js';
import type { Targets } from '../targets.js';

/** Where orders want their files, with what another system needs to write there. Nothing of it is logged here. */
export function orderPlaces(db: Kysely<CoreTables>, targets: Targets): OrderPlaces {
  return async (orderId) => {
    const row = await db
      .selectFrom('standing_order as o')
      .innerJoin('principal as p', 'p.id', 'o.owner')
      .select(['o.deliver_to', 'o.secret', 'o.state', 'o.path_template', 'o.form', 'p.policy'])
      .where('o.id', '=', orderId)
      .where('o.method', '=', 'FILETRANSFER')
      .executeTakeFirst();
    if (row === undefined || row.deliver_to === null) return null;
    const { deliver_to: deliverTo, secret } = row;
    const place = () => targets.resolve(deliverTo, secret);
    return {
      deliverTo,
      state: row.state,
      policy: row.policy === null ? null : decodeTree(row.policy),
      pathTemplate: row.path_template,
      form: row.form,
      handOver() {
        const { target, uri } = place();
        if (target.handOver === undefined || target.list === undefined || target.read === undefined)
          throw deliveryFailed(`${uri.protocol.slice(0, -1)}: only the gateway can write there and look at it`);
        return target.handOver(uri);
      },
      async list(prefix, signal) {
        const { target, uri } = place();
        return (await target.list?.(uri, prefix, signal)) ?? [];
      },
      async read(name, signal, take) {
        const { target, uri } = place();
        return (await target.read?.(uri, name, signal, take)) ?? null;
      },
    };
  };
}
