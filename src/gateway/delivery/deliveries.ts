import type { Store } from '../../store/index.js';
import type { Log } from '../../store/log.js';
import type { Access, Catalogue, Deliveries } from '../api.js';
import type { Backends } from '../backends.js';
import type { CoreTables } from '../schema.js';
import type { Targets } from '../targets.js';
import { createLedger } from './ledger.js';
import { createMissing } from './missing.js';
import { createOnce } from './once.js';
import { createPublished } from './published.js';
import { createPull } from './pull.js';
import { createRedrive } from './redrive.js';

export interface DeliveriesDependencies {
  readonly store: Store<CoreTables>;
  readonly backends: Backends;
  readonly targets: Targets;
  readonly access: Access;
  readonly catalogue: Catalogue;
  readonly log: Log;
  readonly limits: { readonly products: number; readonly deadlineSeconds: number };
}

/** What may be asked about deliveries and done to them; the sending itself is `startDeliveryWorkers`. */
export function createDeliveries(deps: DeliveriesDependencies): Deliveries {
  const { store, backends, targets, access, catalogue, limits } = deps;
  return {
    ...createLedger(store.db),
    ...createMissing({ db: store.db, backends, access }),
    ...createRedrive(store.db),
    ...createOnce({ store, backends, targets, catalogue, limits }),
    ...createPull(store, access),
    ...createPublished(store.db),
  };
}
