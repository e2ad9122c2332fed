import type { Logger } from 'pino';
import WebSocket from 'ws';
import type { Guard } from '../../src/net/guard.js';
import type { DataDriveConfig } from './config.js';
import { type FeedEvent, parseEvent } from './feed-event.js';
import type { Login } from './login.js';
import { quietSleep } from './quiet.js';

interface Options {
  readonly config: NonNullable<DataDriveConfig['middleware']>;
  readonly login: Login;
  readonly guard: Guard;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onEvent: (event: FeedEvent) => void;
  /** Connected anew: what came in between is unknown. */
  readonly onGap: () => void;
}

const LONGEST_PAUSE_MS = 60_000;

/** Listens to the event feed for as long as the signal allows, over new connections and new tokens. Events only hurry the polling. */
export async function listen(options: Options): Promise<void> {
  const { login, log, signal } = options;
  /** What the log was told last: a feed that stays away is one line. */
  let told = '';
  const tell = (text: string): void => {
    if (told !== text && !signal.aborted) log.warn(`${text}; until it is back changes are found by polling`);
    told = text;
  };
  for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      const cookie = await login.cookie();
      const { status, reason } = await connection(options, cookie, () => {
        pause = 500;
        if (told !== '') log.info('the event feed is back');
        told = '';
      });
      if (status === 401) {
        if (!(await login.renew(cookie))) tell('the event feed asks to log in, and the token is the same');
      } else tell(reason);
    } catch (error) {
      tell(`the event feed failed: ${(error as Error).message}`);
    }
    await quietSleep(pause, signal);
  }
}

/** Why a connection ended; `status` is that of a refused upgrade. */
interface Ended {
  readonly status: number | undefined;
  readonly reason: string;
}

/** `alive` is called when the peer first answers. */
function connection(options: Options, cookie: string, alive: () => void): Promise<Ended> {
  const { config, guard, log, signal, onEvent, onGap } = options;
  return new Promise((resolve) => {
    const secure = config.url.startsWith('https:');
    const socket = new WebSocket(config.url.replace(/^http/, 'ws'), {
      headers: { cookie },
      agent: guard.agent(secure ? 'https' : 'http'),
      handshakeTimeout: 20_000,
      maxPayload: 1 << 20,
      followRedirects: false,
    });
    let status: number | undefined;
    let reason = 'the event feed ended';
    let heard = performance.now();
    const hear = (): void => {
      heard = performance.now();
      alive();
    };
    const ping = setInterval(() => {
      if (performance.now() - heard > config.silence) {
        reason = `the event feed was silent for ${config.silence} ms`;
        socket.terminate();
      } else if (socket.readyState === WebSocket.OPEN) socket.ping();
    }, config.silence / 3);
    const stop = (): void => socket.terminate();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    socket.on('open', () => {
      socket.ping();
      // All packages the login may see; those not wanted are left out by the search.
      socket.send(JSON.stringify({ send_upload_status_msg: false }));
      onGap();
    });
    socket.on('unexpected-response', (request, response) => {
      status = response.statusCode;
      reason = `the event feed answered ${status}`;
      response.resume();
      request.destroy();
    });
    socket.on('pong', hear);
    socket.on('message', (data) => {
      hear();
      const event = parseEvent(String(data), config.removed);
      if (event) onEvent(event);
    });
    socket.on('error', (error) => {
      if (status === undefined) reason = `the event feed failed: ${error.message}`;
      log.debug({ err: error }, 'event feed');
    });
    socket.on('close', () => {
      clearInterval(ping);
      signal.removeEventListener('abort', stop);
      resolve({ status, reason });
    });
  });
}
