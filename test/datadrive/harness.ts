import WebSocket from 'ws';
import {
  type DataDriveSimulator,
  type DataDriveSimulatorOptions,
  startDataDriveSimulator,
} from '../../simulators/datadrive/index.js';
import { type Service, unique } from '../services/index.js';

/** Starts a stand-in with names of its own on shared test servers. */
export function startOn(
  search: Service,
  s3: Service,
  options: Partial<DataDriveSimulatorOptions> = {},
): Promise<DataDriveSimulator> {
  const { username: accessKeyId = '', password: secretAccessKey = '' } = s3;
  return startDataDriveSimulator({
    search: { url: search.url },
    s3: { endpoint: s3.url, accessKeyId, secretAccessKey },
    prefix: `${unique('dd')}-`,
    ...options,
  });
}

export type Frame = Readonly<Record<string, unknown>>;

/** A websocket client that says what the public client says, and keeps what comes. */
export interface Listener {
  readonly frames: readonly Frame[];
  readonly socket: WebSocket;
  /** Resolves when so many frames have come. */
  received(count: number): Promise<readonly Frame[]>;
  readonly closed: Promise<number>;
}

export async function listenTo(
  simulator: DataDriveSimulator,
  cookie: string,
  ...hello: readonly object[]
): Promise<Listener> {
  const socket = new WebSocket(simulator.websocketUrl, { headers: { cookie } });
  const frames: Frame[] = [];
  const waiting = new Set<() => void>();
  socket.on('message', (data) => {
    frames.push(JSON.parse(String(data)) as Frame);
    for (const check of waiting) check();
  });
  const closed = new Promise<number>((resolve) => {
    socket.once('close', resolve);
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  for (const frame of hello) socket.send(JSON.stringify(frame));
  // a ping that comes back proves that the frames before it were read
  if (hello.length > 0)
    await new Promise<void>((resolve) => {
      socket.once('pong', () => resolve());
      socket.once('close', () => resolve());
      socket.ping();
    });
  return {
    ...{ frames, socket, closed },
    received: (count) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error(`${frames.length} of ${count} frames came`));
        }, 5000);
        const check = (): void => {
          if (frames.length < count) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve(frames);
        };
        waiting.add(check);
        check();
      }),
  };
}

export const packageFrame = (...pkg: readonly string[]): Frame => ({ client_type: 'dd_cli', all_pkg: false, pkg });
