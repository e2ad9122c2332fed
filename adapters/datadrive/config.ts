import { z } from 'zod';
import { invalid } from '../../src/mpd/index.js';

/** Milliseconds, as a number or as text with a unit: `500ms`, `2s`, `5m`, `1h`. */
const duration = z.union([
  z.number().nonnegative(),
  z
    .string()
    .regex(/^\d+(\.\d+)?\s*(ms|s|m|h)$/, 'a duration such as 500ms, 2s, 5m or 1h')
    .transform((text) => Number.parseFloat(text) * UNITS[text.replace(/[\d.\s]/g, '') as keyof typeof UNITS]),
]);
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const url = z
  .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
  .transform((text) => text.replace(/\/+$/, ''));
const text = z.string().min(1);

const elasticsearch = z.strictObject({
  url,
  /** One way to log in: an API key, a user, or the cookie of `login`. */
  apiKey: text.optional(),
  username: text.optional(),
  password: text.optional(),
  cookie: z.boolean().default(false),
  /** Aliases (or indices) that hold file documents, `*` as a wildcard. Absent: every alias that maps the id field. */
  aliases: z.array(text).min(1).optional(),
  /** Off where the site does not let clients open a point in time. */
  pointInTime: z.boolean().default(true),
  /** Documents of one page. */
  pageSize: z.int().min(10).max(10_000).default(2000),
  /** For one answer. */
  timeout: duration.default(60_000),
});

const s3 = z.strictObject({
  /** Absent: AWS. */
  endpoint: url.optional(),
  region: text.default('us-gov-west-1'),
  /** `bucket` in the path instead of the host name; default for an own endpoint. */
  pathStyle: z.boolean().optional(),
  accessKeyId: text.optional(),
  secretAccessKey: text.optional(),
  sessionToken: text.optional(),
  /** The only buckets that are read. */
  buckets: z.array(text).min(1),
  /** Off where `ocs_etag` is not the ETag that S3 has. */
  checkEtag: z.boolean().default(true),
});

const login = z.strictObject({
  /** CSSO: cookie `ssosession`, redirects. CAM: cookie `mdmsSsoToken`, links in JSON. */
  family: z.enum(['csso', 'cam']),
  /** Another cookie name than the family's. */
  cookie: text.optional(),
  token: text.optional(),
  /** A file with the token, or with JSON that holds `ssoToken`; read again when the server asks to log in. */
  tokenFile: text.optional(),
  /** A program and its arguments that print the token; run again when the server asks to log in. */
  command: z.array(text).min(1).optional(),
  /** CAM (OpenAM) login with a user of its own. */
  cam: z.strictObject({ url, username: text, password: text }).optional(),
});

const REMOVED = ['OBJ_REMOVED_FROM_INDEX', 'OBJ_REMOVED_DELETED'];

const schema = z.strictObject({
  id: text,
  domain: z.array(text),
  mapping: z.string().optional(),
  elasticsearch,
  /** Where bodies come from; default: S3 where it is configured, else the data endpoint. */
  bodies: z.enum(['s3', 'pep']).optional(),
  s3: s3.optional(),
  /** The data endpoint, and hosts that its links may name. */
  pep: z.strictObject({ url, links: z.array(text).default([]), buckets: z.array(text).optional() }).optional(),
  /** The event feed; absent: changes are found by polling alone. */
  middleware: z
    .strictObject({
      url,
      /** A feed that answers no ping for so long is connected anew; the public client pings every 5 s. */
      silence: duration.default(15_000),
      /** Values of `package_dataset_event` that mean the file is gone. */
      removed: z.array(text).default(REMOVED),
    })
    .optional(),
  /** A queue (SQS) that the event topic or the buckets of the site fill; with the middleware or instead of it. */
  queue: z
    .strictObject({
      url,
      region: text.default('us-gov-west-1'),
      accessKeyId: text.optional(),
      secretAccessKey: text.optional(),
      sessionToken: text.optional(),
      /** Event names that mean the file is gone. */
      removed: z.array(text).default(REMOVED),
    })
    .optional(),
  login: login.optional(),
  /** Each package becomes a further part of the domain; otherwise all products have the backend's domain. */
  packageDomains: z.boolean().default(true),
  /** Of documents with one full name in one package only the newest is a product; `all`: each is one. */
  duplicates: z.enum(['newest', 'all']).default('newest'),
  /** Only these packages, by name. */
  packages: z.array(text).min(1).optional(),
  /** Names of the system fields at this site. */
  fields: z
    .strictObject({
      id: text.default('ocs_dataset_id'),
      package: text.default('ocs_package_name'),
      type: text.default('ocs_type_name'),
      name: text.default('ocs_name'),
      fullName: text.default('ocs_full_name'),
      url: text.default('ocs_url'),
      created: text.default('ocs_created_at'),
      updated: text.default('ocs_updated_at'),
      owner: text.default('ocs_created_by'),
      etag: text.default('ocs_etag'),
      size: text.default('size'),
      extension: text.default('ext'),
    })
    .prefault({}),
  /** Algorithm of `ProductMetadata.checksum`, from the mapping's claims; `none` = the field is not used. */
  checksum: z.enum(['md5', 'sha-256', 'none']).default('md5'),
  /** JSON file: a list of object types `{name, description, schema}`, for descriptions and times kept as text. */
  objectTypes: text.optional(),
  feed: z
    .strictObject({
      /** How often the index is asked for what is new. */
      poll: duration.default(5000),
      /** So far behind the newest update time each poll looks again. */
      overlap: duration.default(30_000),
      /** So far once a minute: what the index showed late. */
      lag: duration.default(600_000),
      /** How often all ids are compared, which finds removals. */
      sweep: duration.default(1_800_000),
    })
    .prefault({}),
});

export interface DataDriveConfig extends z.infer<typeof schema> {}

/** @throws MpdError Invalid naming the field */
export function dataDriveConfig(entry: Readonly<Record<string, unknown>>): DataDriveConfig {
  const { kind: _kind, enabled: _enabled, domains: _domains, ...fields } = entry;
  const result = schema.safeParse(fields);
  const at = (field: string): string => `backends.${String(entry.id)}.${field}`;
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(at(issue?.path.join('.') ?? ''), issue?.message ?? '', result.error);
  }
  const config = result.data;
  const bodies = bodiesOf(config);
  if (!config.s3 && !config.pep) throw invalid(at('s3'), 'is needed, or pep: the place that bodies come from');
  if (bodies === 's3' && !config.s3) throw invalid(at('s3'), 'is needed for bodies: s3');
  if (bodies === 'pep' && !config.pep) throw invalid(at('pep'), 'is needed for bodies: pep');
  const needsLogin = bodies === 'pep' || config.middleware !== undefined || config.elasticsearch.cookie;
  if (needsLogin && !config.login)
    throw invalid(at('login'), 'is needed: the middleware and the data endpoint ask for it');
  const { token, tokenFile, command, cam } = config.login ?? {};
  if (config.login && [token, tokenFile, command, cam].filter(Boolean).length !== 1)
    throw invalid(at('login'), 'needs exactly one of token, tokenFile, command, cam');
  return config;
}

export const bodiesOf = (config: Pick<DataDriveConfig, 'bodies' | 's3'>): 's3' | 'pep' =>
  config.bodies ?? (config.s3 ? 's3' : 'pep');
