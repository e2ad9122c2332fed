import { postgres } from './postgres.js';
import { elasticmq } from './queue.js';
import { s3 } from './s3.js';
import { elasticsearch, opensearch } from './search.js';
import { openssh, proftpd } from './sftp.js';
import type { Running, Service } from './state.js';

/** How one kind of server comes to be, in order of preference: environment, container, this machine's programs. */
export interface Recipe {
  /** Variable with the URL of a server that already runs, credentials in it; for SFTP also `?hostKey=sha256:…`. */
  readonly environment: string;
  readonly container?: {
    readonly image: string;
    readonly port: number;
    readonly env: Readonly<Record<string, string>>;
    readonly command?: readonly string[];
    readonly service: (port: number) => Service;
  };
  /** Why it cannot start from local programs, or undefined when it can. */
  readonly missing: () => string | undefined;
  readonly start: () => Promise<Running>;
  readonly healthy: (service: Service) => Promise<boolean>;
}

export const recipes = {
  elasticsearch: elasticsearch('elasticsearch', '8.19.21'),
  elasticsearch7: elasticsearch('elasticsearch7', '7.17.29'),
  opensearch: opensearch('opensearch', '2.19.6'),
  versitygw: s3('versitygw', '1.8.0'),
  minio: s3('minio', '20260212'),
  openssh: openssh('openssh'),
  proftpd: proftpd('proftpd'),
  postgres: postgres('postgres'),
  elasticmq: elasticmq('elasticmq', '1.6.9'),
} as const satisfies Record<string, Recipe>;

export type ServiceName = keyof typeof recipes;

export const serviceNames = Object.keys(recipes) as readonly ServiceName[];
