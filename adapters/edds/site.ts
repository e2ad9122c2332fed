import { z } from 'zod';
import type { OutputForm } from '../../src/formats/edds-response/index.js';

/**
 * Everything in which one EDDS site differs from another: names, places of values, ways of doing. The adapter speaks a
 * neutral model; a profile maps it onto the site's WSDL. A path is a list of local names below the operation's wrapper,
 * separated by dots.
 */
const path = z.string().regex(/^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/, 'names separated by dots');
const paths = <const Names extends readonly string[]>(names: Names) =>
  z.strictObject(
    Object.fromEntries(names.map((name) => [name, path.optional()])) as Record<
      Names[number],
      z.ZodOptional<typeof path>
    >,
  );

export const OPERATIONS = [
  'login',
  'logout',
  'submitBatch',
  'submitStream',
  'cancel',
  'status',
  'list',
  'fetch',
  'catalogue',
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What data a request is for. */
export const SELECTION_FIELDS = ['spid', 'apid', 'service', 'subservice', 'parameterName', 'commandName'] as const;

/** Those, and the files that are not made by request. */
const FILTER_FIELDS = [...SELECTION_FIELDS, 'fileName'] as const;

/** Where EDDS is to send the files by itself. */
const DELIVERY_FIELDS = [
  'deliveryProtocol',
  'deliveryHost',
  'deliveryPort',
  'deliveryDirectory',
  'deliveryUser',
  'deliveryPassword',
] as const;

export const BATCH_FIELDS = [
  'name',
  'domain',
  'dataType',
  'begin',
  'end',
  'timeField',
  ...FILTER_FIELDS,
  'maxElements',
  'scheduleStart',
  'schedulePeriod',
  'scheduleUntil',
  ...DELIVERY_FIELDS,
  'expiry',
] as const;
const STREAM_FIELDS = [
  'name',
  'domain',
  'dataType',
  ...SELECTION_FIELDS,
  'end',
  'partSeconds',
  ...DELIVERY_FIELDS,
] as const;
const STATUS_FIELDS = ['requestId', 'state', 'error', 'reason', 'submissionTime', 'expiryTime'] as const;
const FETCH_FIELDS = ['fileName', 'contentType', 'size', 'creationTime', 'last', 'total', 'content'] as const;
export const CATALOGUE_FIELDS = [
  'domain',
  'dataType',
  'name',
  'description',
  'spid',
  'apid',
  'service',
  'subservice',
  'begin',
  'end',
  'count',
  'fileName',
  'fileSize',
  'fileTime',
] as const;

export const JOB_STATES = ['queued', 'running', 'done', 'failed', 'cancelled', 'expired'] as const;
export type JobState = (typeof JOB_STATES)[number] | 'other';

/** What a fault code of the site means. */
export const MEANINGS = [
  'notAuthenticated',
  'authFailed',
  'denied',
  'invalid',
  'unsupported',
  'unknownRequest',
  'notReady',
  'noSuchPart',
  'expired',
  'limit',
  'internal',
] as const;
export type Meaning = (typeof MEANINGS)[number];

export const OUTPUT_FORMS = ['packets', 'csv', 'ndjson'] as const satisfies readonly OutputForm[];

const typeRule = z.strictObject({
  /** Data type of a batch; absent: this type cannot be asked for by batch. */
  batch: z.string().optional(),
  /** Data type of a stream; absent: new data come by a recurring batch. */
  stream: z.string().optional(),
  /** Values of `timeField` that select by filing (or execution, or sample) time, and by creation time. */
  filing: z.string().optional(),
  creation: z.string().optional(),
  /** Which field of a catalogue record goes into which field of the request's filter. */
  select: paths(FILTER_FIELDS).prefault({}),
  /** `response`: EDDS response files; `file`: bytes of any kind. */
  content: z.enum(['response', 'file']).default('response'),
  /** Forms that consumers may ask for instead of the response file. */
  forms: z.array(z.enum(OUTPUT_FORMS)).default([]),
  /** Whether standing orders may run jobs for it; of files the catalogue tells what is new. */
  forOrders: z.boolean().default(true),
});
export type TypeRule = z.infer<typeof typeRule>;

export const siteProfile = z.strictObject({
  soap: z.enum(['1.1', '1.2']),
  /** Service and port of the WSDL; absent: the only ones. */
  service: z.string().optional(),
  port: z.string().optional(),
  /** Name of each operation; absent: the site has none. */
  operations: z.strictObject(
    Object.fromEntries(OPERATIONS.map((name) => [name, z.string().optional()])) as Record<
      Operation,
      z.ZodOptional<z.ZodString>
    >,
  ),
  requests: z.strictObject({
    login: paths(['user', 'password']),
    batch: paths(BATCH_FIELDS),
    stream: paths(STREAM_FIELDS),
    /** An empty element that asks for delivery by getResponse; absent: that is the default of the site. */
    serverDelivery: path.optional(),
    cancel: paths(['requestId']),
    status: paths(['requestId']),
    list: paths(['submittedFrom']),
    fetch: paths(['requestId', 'part']),
    catalogue: paths(['domain', 'dataType']),
  }),
  responses: z.strictObject({
    login: paths(['token']),
    submit: paths(['requestId']),
    /** `root` is the element that repeats, the others lie below it. */
    status: z.strictObject({ root: path, ...paths(STATUS_FIELDS).shape }),
    list: z.strictObject({ root: path }),
    fetch: paths(FETCH_FIELDS),
    catalogue: z.strictObject({ root: path, ...paths(CATALOGUE_FIELDS).shape }),
  }),
  auth: z.strictObject({
    method: z.enum(['login', 'basic', 'none']).default('login'),
    /** Where the token of a login goes. */
    send: z.enum(['argument', 'header', 'cookie']).default('argument'),
    argument: path.default('token'),
    header: z.strictObject({ name: z.string(), namespace: z.string() }).optional(),
  }),
  states: z.record(z.string(), z.enum(JOB_STATES)),
  faults: z.strictObject({
    /** Where the code stands, below the fault's detail; absent: the faultcode itself. */
    code: path.optional(),
    codes: z.record(z.string(), z.enum(MEANINGS)),
  }),
  /** How the last part is told. */
  last: z.enum(['flag', 'count', 'fault']),
  /** What a request without any data leaves: an empty part, or none. */
  whenEmpty: z.enum(['part', 'none']).default('part'),
  types: z.record(z.string(), typeRule),
  /** How EDDS is asked to send files by itself. */
  delivery: z
    .strictObject({
      /** What the site calls each way, by URI scheme (`sftp: SFTP`); where a scheme is absent the gateway sends. */
      protocols: z.record(z.string(), z.string().min(1)).default({}),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Milliseconds between looks at a job, first and at most. */
      poll: z.number().positive().default(500),
      pollMax: z.number().positive().default(10_000),
      /** Calls under way at once. */
      parallel: z.int().positive().default(4),
      /** Jobs under way at once that answer a single retrieval. */
      batches: z.int().positive().default(4),
      /** Jobs at once that standing orders need. */
      orderJobs: z.int().positive().default(64),
      /** Milliseconds after which a job that does not end is given up. */
      deadline: z.number().positive().default(1_800_000),
      /** Bytes of an answer without its content. */
      answer: z
        .int()
        .positive()
        .default(64 * 1024 * 1024),
    })
    .prefault({}),
});
export type SiteProfile = z.infer<typeof siteProfile>;

/** The profile of a site that is never asked to send files by itself: it need not know how. */
export function withoutFileServer(profile: SiteProfile): SiteProfile {
  const strip = <Fields extends object>(fields: Fields): Fields =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith('delivery'))) as Fields;
  const { batch, stream } = profile.requests;
  return { ...profile, requests: { ...profile.requests, batch: strip(batch), stream: strip(stream) } };
}

/** A profile with changes laid over it: objects are merged, everything else is replaced, null takes away. */
export function overlay(base: unknown, changes: unknown): unknown {
  if (!isObject(base) || !isObject(changes)) return changes;
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete merged[name];
    else merged[name] = name in base ? overlay(base[name], value) : value;
  }
  return merged;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
