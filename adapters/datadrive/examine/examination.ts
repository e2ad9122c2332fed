import type { ProductRules } from '../../../src/mapping/index.js';
import type { DataDriveConfig } from '../config.js';
import type { Http } from '../http.js';
import type { Login } from '../login.js';
import type { EventQueue } from '../queue.js';
import type { SearchClient } from '../search.js';
import type { ByteSource } from '../source.js';

/** What is looked at, and with what. */
export interface Examination {
  readonly config: DataDriveConfig;
  readonly search: SearchClient;
  readonly bytes: ByteSource;
  readonly http: Http;
  readonly login: Login | null;
  readonly queue: EventQueue | null;
  /** The mapping table alone, without what is made for object types. */
  readonly products: ProductRules;
}
