import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EddsSimulator, type EddsSimulatorOptions, startEddsSimulator } from './index.js';
import { envelope, type RawAnswer, rawCall, textOf } from './testing.js';

export const FAST: EddsSimulatorOptions['times'] = { start: 20, duration: 20, tick: 10 };

/** Beginning of the archive of tests, ms since 1970: an hour of data, a packet each 100 ms. */
export const BEGIN = Date.UTC(2020, 11, 1);
export const ARCHIVE: EddsSimulatorOptions['archive'] = {
  begin: BEGIN,
  end: BEGIN + 3_600_000,
  packetInterval: 100_000,
  commandInterval: 10_000_000,
  sampleInterval: 1_000_000,
  files: 12,
};
export const HOUR = '<TimeRange><Begin>2020-12-01T00:00:00Z</Begin><End>2020-12-01T01:00:00Z</End></TimeRange>';
export const TEN_SECONDS = '<TimeRange><Begin>2020-12-01T00:00:00Z</Begin><End>2020-12-01T00:00:10Z</End></TimeRange>';

/** Requests of ten seconds: 100 packets of telemetry, and parameters. */
export const TELEMETRY = `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`;
export const PARAMETERS = `<Domain>SOL</Domain><DataType>Param</DataType>${TEN_SECONDS}`;

/** Starts simulators and makes folders, which `close` stops and removes. */
export function simulators() {
  const folders: string[] = [];
  const running: EddsSimulator[] = [];
  return {
    folder(): string {
      const made = mkdtempSync(join(tmpdir(), 'edds-test-'));
      folders.push(made);
      return made;
    },
    async start(options: EddsSimulatorOptions = {}): Promise<EddsSimulator> {
      const simulator = await startEddsSimulator({ times: FAST, archive: ARCHIVE, ...options } as EddsSimulatorOptions);
      running.push(simulator);
      return simulator;
    },
    async close(): Promise<void> {
      await Promise.all(running.map((simulator) => simulator.stop().catch(() => undefined)));
      for (const made of folders) rmSync(made, { recursive: true, force: true });
    },
  };
}

/** A logged-in user of a simulator. */
export async function session(simulator: EddsSimulator, user = 'ops') {
  const login = await rawCall(simulator.url, envelope('login', `<user>${user}</user><password>${user}</password>`));
  const token = textOf(login.body, 'token')!;
  const call = (operation: string, children = ''): Promise<RawAnswer> =>
    rawCall(simulator.url, envelope(operation, `<token>${token}</token>${children}`));
  const submit = async (operation: string, request: string): Promise<string> => {
    const { body } = await call(operation, `<request>${request}</request>`);
    const id = textOf(body, 'requestId');
    if (id === null) throw new Error(textOf(body, 'Message') ?? 'no request id');
    return id;
  };
  const status = async (id: string): Promise<Record<string, string>> => {
    const { body } = await call('getStatus', `<requestId>${id}</requestId>`);
    return Object.fromEntries(body.children[0]!.children.map((child) => [child.name, child.text]));
  };
  const ended = async (id: string): Promise<Record<string, string>> => {
    for (let turn = 0; turn < 500; turn++) {
      const now = await status(id);
      if (now.State !== 'SUBMITTED' && now.State !== 'ACTIVE') return now;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${id} did not end`);
  };
  const part = async (id: string, ordinal?: number) => {
    const { body } = await call(
      'getResponse',
      `<requestId>${id}</requestId>${ordinal === undefined ? '' : `<part>${ordinal}</part>`}`,
    );
    const content = textOf(body, 'Content');
    return {
      code: textOf(body, 'Code'),
      last: textOf(body, 'LastPart'),
      name: textOf(body, 'FileName') ?? '',
      type: textOf(body, 'ContentType'),
      size: Number(textOf(body, 'Size')),
      content: content === null ? Buffer.alloc(0) : Buffer.from(content, 'base64'),
    };
  };
  const fetch = async (operation: string, request: string) => {
    const id = await submit(operation, request);
    await ended(id);
    return { id, ...(await part(id)) };
  };
  const code = async (operation: string, children: string): Promise<string | null> =>
    textOf((await call(operation, children)).body, 'Code');
  return { token, login, call, submit, status, ended, part, fetch, code };
}
