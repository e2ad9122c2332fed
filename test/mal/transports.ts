import { expect, onTestFinished } from 'vitest';
import { type Broker, createBroker } from '../../src/mal/broker/index.js';
import { binaryFixed, binarySplit, binaryVariable, type Encoding } from '../../src/mal/encoding/index.js';
import { MalError } from '../../src/mal/errors.js';
import { type Consumer, createConsumer } from '../../src/mal/interaction/consumer.js';
import type { Handlers } from '../../src/mal/interaction/handlers.js';
import { createProvider, endpoint, type Provider } from '../../src/mal/interaction/provider.js';
import { createSession, type Session } from '../../src/mal/interaction/session.js';
import { Everything, testArea, testGrammar } from '../../src/mal/interaction/test-area.js';
import type { Log } from '../../src/mal/message.js';
import { inProcessClient } from '../../src/mal/transport/in-process/index.js';
import { listenMalhttp, malhttpClient } from '../../src/mal/transport/malhttp/index.js';
import { listenMaltcp, maltcpClient } from '../../src/mal/transport/maltcp/index.js';
import type { ClientTransport } from '../../src/mal/transport/transport.js';

export interface Setup {
  readonly consumer: Consumer;
  readonly provider: Provider;
  readonly broker: Broker<string>;
  readonly session: Session;
  readonly uri: string;
  readonly log: string[];
}

export interface SetupOptions {
  readonly timeoutMs?: number;
  readonly authenticate?: () => string;
  readonly perConnection?: number;
  readonly subscriptions?: number;
  readonly publishers?: (principal: string) => void;
}

export type Start = (handlers: Handlers<typeof Everything, string>, options?: SetupOptions) => Promise<Setup>;

/** Starts a provider, and a consumer that reaches it by this transport, for one test. */
export function starter(name: string, encoding: Encoding): Start {
  return async (handlers, options = {}) => {
    const log: string[] = [];
    const write: Log = (_level, event, details) => log.push(`${event} ${JSON.stringify(details)}`);
    const { publishers, subscriptions } = options;
    const broker = createBroker<string>({
      grammar: testGrammar,
      log: write,
      ...(publishers && { publishers }),
      limits: { perConnection: subscriptions ?? 100 },
    });
    const provider = createProvider<string>({
      grammar: testGrammar,
      endpoints: [endpoint('Everything', testArea, Everything, handlers, broker)],
      authenticate: options.authenticate ?? (() => 'somebody'),
      limits: { perConnection: options.perConnection ?? 64 },
      log: write,
    });
    let transport: ClientTransport;
    let root = 'inprocess://provider';
    if (name === 'maltcp') {
      const { receive, reject } = provider;
      const encodings = [binaryFixed, binaryVariable, binarySplit];
      const listener = await listenMaltcp({ host: '127.0.0.1', port: 0, encodings, receive, reject, log: write });
      onTestFinished(() => listener.close());
      root = listener.rootUri;
      transport = maltcpClient({ encoding });
    } else if (name === 'malhttp') {
      const { receive, reject } = provider;
      const listener = await listenMalhttp({
        host: '127.0.0.1',
        port: 0,
        encodings: [encoding],
        receive,
        reject,
        log: write,
      });
      onTestFinished(() => listener.close(100));
      root = listener.rootUri;
      const client = await malhttpClient({ encoding });
      onTestFinished(() => client.close());
      transport = client;
    } else {
      transport = inProcessClient({ receive: provider.receive, encoding });
    }
    const session = createSession({
      transport,
      grammar: testGrammar,
      timeoutMs: options.timeoutMs ?? 5000,
      log: write,
    });
    onTestFinished(() => session.close());
    const uri = `${root}/Everything`;
    const consumer = createConsumer({ session, area: testArea, service: Everything, uri });
    return { consumer, provider, broker, session, uri, log };
  };
}

/** What the call failed with. */
export const failure = async (call: Promise<unknown>): Promise<MalError> => {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MalError);
  return error as MalError;
};

export const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** Each transport with each encoding that it carries. */
export const TRANSPORTS = [
  ['in process', binaryFixed],
  ['maltcp', binaryFixed],
  ['maltcp', binaryVariable],
  ['maltcp', binarySplit],
  ['malhttp', binaryFixed],
  ['malhttp', binarySplit],
] as const;
