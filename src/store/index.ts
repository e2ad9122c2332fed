export { openStore, type RetryOptions, type Store, type StoreHealth, type StoreOptions, withRetry } from './connect.js';
export { isRetry, sqlState, storeError } from './errors.js';
export type { NotificationHandler } from './listen.js';
export { appliedMigrations, type Migrations, migrate, storeMigrations } from './migrate.js';
