export { openStore, type RetryOptions, type Store, type StoreHealth, type StoreOptions, withRetry } from './connect.js';
export { attachEmbedded, type RunningStore } from './embedded/attach.js';
export { isRetry, sqlState, storeError } from './errors.js';
export { exportStore, type TransferOptions, type TransferResult } from './export.js';
export { assertLease, type HoldOptions, holdLease, type KeepOptions, keepLease } from './hold.js';
export { importStore } from './import.js';
export {
  held,
  type Lease,
  type Leased,
  type LeaseTable,
  later,
  leaseOwner,
  releaseLease,
  renewLease,
  type TakeOptions,
  takeLeases,
} from './lease.js';
export type { NotificationHandler } from './listen.js';
export { appliedMigrations, type Migrations, migrate, storeMigrations } from './migrate.js';
