import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArchiveDescription, type AuxiliaryFile, archiveOf } from './archive/index.js';
import { type FaultControl, faultControl } from './control.js';
import { serveControl } from './control-http.js';
import { jobEngine } from './jobs.js';
import { type SimulatorTls, soapServer } from './server.js';
import { type SimulatedUser, sessionTable } from './sessions.js';
import { ALTERNATIVE, type Shape, STANDARD } from './shape.js';
import { type Job, type PartRecord, stateFile } from './state.js';

export { CALL_EFFECTS, type CallEffect, type CallRule, type FaultControl, type Switches } from './control.js';
export type { SimulatorTls } from './server.js';
export type { SimulatedUser } from './sessions.js';
export { ALTERNATIVE, type Shape, STANDARD } from './shape.js';
export type { Job, PartRecord } from './state.js';

export interface EddsSimulatorOptions {
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Folder of the state; default a temporary one, removed at the end. */
  readonly folder?: string;
  readonly seed?: number;
  readonly users?: readonly SimulatedUser[];
  /** `standard` is the contract of the documentation, `alternative` a site that does everything differently. */
  readonly shape?: 'standard' | 'alternative' | Shape;
  readonly domains?: readonly string[];
  /** What is held. Default: the last 24 hours and onwards, a packet each 43.2 ms (2 000 000 a day). Used with a new state only. */
  readonly archive?: Partial<Omit<ArchiveDescription, 'seed'>>;
  /** Milliseconds: before a job starts, while it runs, between looks at the jobs; idle sessions; kept parts of ended streams. */
  readonly times?: {
    readonly start?: number;
    readonly duration?: number;
    readonly tick?: number;
    readonly sessionIdle?: number;
    readonly streamRetention?: number;
  };
  /** An empty result is one part without elements (default), or no part. */
  readonly partWhenEmpty?: boolean;
  /** Folders that FILE deliveries may write to; default none. */
  readonly fileRoots?: readonly string[];
  readonly limits?: {
    readonly activeJobs?: number;
    readonly elements?: number;
    readonly partElements?: number;
    readonly requestBytes?: number;
  };
  readonly publicUrl?: string;
  /** HTTPS instead of HTTP. */
  readonly tls?: SimulatorTls;
  /** Milliseconds since 1970; default the system's clock. */
  readonly clock?: () => number;
  readonly onError?: (error: unknown) => void;
}

export interface EddsSimulator {
  readonly url: string;
  readonly wsdlUrl: string;
  /** Fault switches over HTTP: `GET /state`, `POST /fault`, `/switches`, `/reissue`, `/expire-tokens`, `/clear`. */
  readonly controlUrl: string;
  readonly port: number;
  readonly users: readonly SimulatedUser[];
  readonly domains: readonly string[];
  /** ISO 8601: from when data are held, and to when at the moment of the call. */
  readonly span: { readonly begin: string; readonly end: string };
  readonly control: FaultControl & {
    expireTokens(): void;
    /** All jobs of all users. */
    jobs(): readonly Job[];
    reissue(requestId: string, ordinal: number): Promise<PartRecord>;
    /** Puts a file into the catalogue, or another content under its name; not kept over a restart. Times are ms since 1970. */
    putFile(domain: string, file: Omit<AuxiliaryFile, 'size'>, content: Uint8Array): void;
    removeFile(domain: string, name: string): void;
  };
  stop(): Promise<void>;
}

const DEFAULT_USERS: readonly SimulatedUser[] = [
  { user: 'ops', password: 'ops', domains: ['SOL', 'BC'] },
  { user: 'solo', password: 'solo', domains: ['SOL'] },
];
const DAY = 86_400_000;

/** Starts an EDDS that holds invented data behind a contract of our own. It is not ESA's. */
export async function startEddsSimulator(options: EddsSimulatorOptions = {}): Promise<EddsSimulator> {
  const host = options.host ?? '127.0.0.1';
  const control = faultControl();
  const clock = options.clock ?? Date.now;
  const now = (): number => clock() + control.switches.clockSkew;
  const users = options.users ?? DEFAULT_USERS;
  const domains = options.domains ?? ['SOL', 'BC'];
  const shape =
    typeof options.shape === 'object' ? options.shape : options.shape === 'alternative' ? ALTERNATIVE : STANDARD;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'edds-sim-'));
  const onError = options.onError ?? (() => undefined);

  const file = stateFile(folder, () =>
    Object.fromEntries(domains.map((domain) => [domain, description(options, clock())])),
  );
  const archives = Object.fromEntries(
    Object.entries(file.state.archives).map(([domain, description]) => [domain, archiveOf(domain, description)]),
  );
  await file.save();
  const fileRoots = options.fileRoots ?? [];
  const sessions = sessionTable(users, options.times?.sessionIdle ?? 30 * 60_000, clock);
  const engine = jobEngine({
    file,
    archives,
    control,
    now,
    fileRoots,
    onError,
    partWhenEmpty: options.partWhenEmpty ?? true,
    partElements: options.limits?.partElements ?? Number.POSITIVE_INFINITY,
    times: {
      duration: options.times?.duration ?? 1000,
      streamRetention: options.times?.streamRetention ?? 60 * 60_000,
      tick: options.times?.tick ?? 50,
    },
  });
  const server = soapServer({
    shape,
    sessions,
    file,
    engine,
    control,
    archives,
    now,
    onError,
    rules: {
      archives,
      fileRoots,
      maxElements: options.limits?.elements ?? 10_000_000,
      startDelay: options.times?.start ?? 300,
    },
    maxActiveJobs: options.limits?.activeJobs ?? 1000,
    maxRequestBytes: options.limits?.requestBytes ?? 1024 * 1024,
    publicUrl: options.publicUrl ?? null,
    tls: options.tls ?? null,
    serveControl: (request, response) => serveControl(simulator, request, response),
  });
  // Longer than callers keep a connection, so that none is closed while a call is on its way.
  server.keepAliveTimeout = 60_000;
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const origin = `${options.tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const url = `${origin}${shape.path}`;

  const simulator: EddsSimulator = {
    url,
    wsdlUrl: `${url}?wsdl`,
    controlUrl: `${origin}/_sim`,
    port,
    users,
    domains: Object.keys(archives),
    get span() {
      const all = Object.values(archives).map(({ description }) => description);
      const end = Math.max(...all.map(({ end }) => Math.min(end ?? now(), now())));
      return {
        begin: new Date(Math.min(...all.map(({ begin }) => begin))).toISOString(),
        end: new Date(end).toISOString(),
      };
    },
    control: Object.assign(control, {
      expireTokens: sessions.expireAll,
      jobs: () => file.state.jobs,
      putFile: (domain: string, given: Omit<AuxiliaryFile, 'size'>, content: Uint8Array) =>
        archives[domain]!.putFile(given, content),
      removeFile: (domain: string, name: string) => archives[domain]!.removeFile(name),
      async reissue(requestId: string, ordinal: number) {
        const job = file.state.jobs.find((one) => one.id === requestId);
        if (job === undefined) throw new Error(`there is no request ${requestId}`);
        return engine.reissue(job, ordinal);
      },
    }),
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await engine.stop();
      await file.save();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
  return simulator;
}

function description(options: EddsSimulatorOptions, now: number): ArchiveDescription {
  const given = options.archive ?? {};
  const hour = 3_600_000;
  return {
    seed: options.seed ?? 20_201_201,
    begin: given.begin ?? Math.floor((now - DAY) / hour) * hour,
    end: given.end ?? null,
    packetInterval: given.packetInterval ?? 43_200,
    commandInterval: given.commandInterval ?? 60_000_000,
    sampleInterval: given.sampleInterval ?? 8_000_000,
    files: given.files ?? 20,
    ...(given.packetBytes !== undefined && { packetBytes: given.packetBytes }),
    ...(given.packetCrc !== undefined && { packetCrc: given.packetCrc }),
  };
}
