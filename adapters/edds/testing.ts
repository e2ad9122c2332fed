import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type EddsSimulator, type EddsSimulatorOptions, startEddsSimulator } from '../../simulators/edds/index.js';
import type { Backend, BackendDependencies } from '../../src/gateway/backend.js';
import { fromMs } from '../../src/mal/index.js';
import { createGuard } from '../../src/net/guard.js';
import { type Store, storeMigrations } from '../../src/store/index.js';
import { type TestStore, testStore } from '../../src/store/testing.js';
import { createBackend } from './backend.js';
import { type EddsTables, migrations } from './tables.js';

export const eddsStore = (): Promise<TestStore<EddsTables>> =>
  testStore<EddsTables>({ migrations: { ...storeMigrations, ...migrations } });

/** Beginning of the archive of tests, ms since 1970: an hour of data, a packet each 100 ms. */
export const BEGIN = Date.UTC(2020, 11, 1);
export const ARCHIVE: EddsSimulatorOptions['archive'] = {
  begin: BEGIN,
  end: BEGIN + 3_600_000,
  packetInterval: 100_000,
  commandInterval: 10_000_000,
  sampleInterval: 1_000_000,
  files: 3,
};

export const openSimulator = (options: EddsSimulatorOptions = {}): Promise<EddsSimulator> =>
  startEddsSimulator({
    times: { start: 10, duration: 10, tick: 5 },
    archive: ARCHIVE,
    ...options,
  } as EddsSimulatorOptions);

const ALTERNATIVE_DELIVERY = {
  deliveryProtocol: 'order.Delivery.FileServerDelivery.Protocol',
  deliveryHost: 'order.Delivery.FileServerDelivery.Host',
  deliveryPort: 'order.Delivery.FileServerDelivery.Port',
  deliveryDirectory: 'order.Delivery.FileServerDelivery.Directory',
  deliveryUser: 'order.Delivery.FileServerDelivery.UserName',
  deliveryPassword: 'order.Delivery.FileServerDelivery.Password',
};

/** What makes the shipped profile fit the site of the other shape: nothing but configuration. */
export const ALTERNATIVE_SITE = {
  soap: '1.2',
  operations: {
    login: 'authenticate',
    logout: 'endSession',
    submitBatch: 'orderRetrieval',
    submitStream: 'orderStream',
    cancel: 'abort',
    status: 'inquire',
    list: 'inquireAll',
    fetch: 'fetchPart',
    catalogue: 'browse',
  },
  requests: {
    login: { user: 'loginName', password: 'secret' },
    batch: {
      name: 'order.Name',
      domain: 'order.Mission',
      dataType: 'order.Product',
      begin: 'order.TimeRange.From',
      end: 'order.TimeRange.To',
      timeField: 'order.TimeRange.TimeField',
      spid: 'order.Filter.Spid',
      apid: 'order.Filter.ApplicationId',
      service: 'order.Filter.ServiceType',
      subservice: 'order.Filter.ServiceSubType',
      parameterName: 'order.Filter.ParameterName',
      commandName: 'order.Filter.CommandName',
      fileName: 'order.Filter.Name1',
      maxElements: 'order.MaxElements',
      scheduleStart: 'order.Schedule.Start',
      schedulePeriod: 'order.Schedule.Period',
      scheduleUntil: 'order.Schedule.Until',
      ...ALTERNATIVE_DELIVERY,
      expiry: 'order.KeptUntil',
    },
    stream: {
      name: 'order.Name',
      domain: 'order.Mission',
      dataType: 'order.Product',
      spid: 'order.Filter.Spid',
      apid: 'order.Filter.ApplicationId',
      service: 'order.Filter.ServiceType',
      subservice: 'order.Filter.ServiceSubType',
      end: 'order.To',
      partSeconds: 'order.PartSeconds',
      ...ALTERNATIVE_DELIVERY,
    },
    cancel: { requestId: 'orderNumber' },
    status: { requestId: 'orderNumber' },
    list: { submittedFrom: 'receivedFrom' },
    fetch: { requestId: 'orderNumber', part: 'segment' },
    catalogue: { domain: 'mission', dataType: 'product' },
  },
  responses: {
    login: { token: null },
    submit: { requestId: 'orderNumber' },
    status: {
      root: 'job',
      requestId: 'OrderNumber',
      state: 'Phase',
      error: 'Error',
      reason: 'Reason',
      submissionTime: 'Received',
      expiryTime: 'KeptUntil',
    },
    list: { root: 'job' },
    fetch: {
      fileName: 'delivery.Name1',
      contentType: 'delivery.ContentType',
      size: 'delivery.Bytes',
      creationTime: 'delivery.CreationTime',
      last: null,
      total: 'delivery.Segments',
      content: 'delivery.Payload',
    },
    catalogue: {
      root: 'item',
      domain: 'Mission',
      dataType: 'Product',
      apid: 'ApplicationId',
      begin: 'From',
      end: 'To',
      fileName: 'Name1',
    },
  },
  auth: { send: 'cookie' },
  states: {
    QUEUED: 'queued',
    RUNNING: 'running',
    DONE: 'done',
    ABORTED: 'failed',
    WITHDRAWN: 'cancelled',
    PURGED: 'expired',
  },
  faults: { code: 'EddsFault.Reason1' },
  last: 'count',
};

export interface OpenedEdds {
  readonly backend: Backend;
  close(): Promise<void>;
}

/** An EDDS backend of tests: reads the catalogue often, has a cache of its own. */
export async function openEdds(
  store: Store<EddsTables>,
  simulator: EddsSimulator,
  config: Record<string, unknown> = {},
  more: Partial<BackendDependencies> = {},
): Promise<OpenedEdds> {
  const cache = await mkdtemp(join(tmpdir(), 'mpd-edds-'));
  const { site, ...rest } = config;
  const guard = createGuard({ allow: [] });
  const opening = createBackend(
    {
      id: 'solo',
      domain: ['esa', 'solo'],
      wsdl: simulator.wsdlUrl,
      username: 'ops',
      password: 'ops',
      mission: 'SOL',
      catalogue: 200,
      poll: 100,
      cache: { path: cache },
      ...rest,
      site: {
        ...(site as object | undefined),
        limits: { poll: 15, pollMax: 100, ...(site as { limits?: object } | undefined)?.limits },
      },
    },
    {
      store: store as Store,
      guard,
      log: pino({ level: process.env.EDDS_LOG ?? 'silent' }),
      clock: () => fromMs(Date.now()),
      ...more,
    },
  );
  const remove = () => rm(cache, { recursive: true, force: true });
  const backend = await opening.catch(async (error: unknown) => {
    guard.close();
    await remove();
    throw error;
  });
  return {
    backend,
    async close() {
      await backend.close();
      guard.close();
      await remove();
    },
  };
}
