import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';

interface Target {
  readonly host?: string | null;
  readonly port?: number | string | null;
}

type Connect = (
  options: Target & { lookup: LookupFunction },
  done: (error: Error | null, socket?: Socket) => void,
) => Socket | undefined;

/** A keep-alive agent that checks the host, also a literal address, and resolves names by the guard, at each new connection. */
export function guardedAgent(
  scheme: 'http' | 'https',
  check: (url: string) => unknown,
  lookup: (scheme: string, port: number) => LookupFunction,
): HttpAgent {
  const agent = scheme === 'https' ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  // Both agents have it; the declarations differ in the form of its callback.
  const open = agent as unknown as { createConnection: Connect };
  const plain = open.createConnection.bind(agent);
  open.createConnection = (options, done) => {
    const host = options.host ?? 'localhost';
    const port = Number(options.port ?? (scheme === 'https' ? 443 : 80));
    try {
      check(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/`);
    } catch (error) {
      // Not thrown: the request reports it as its own error.
      process.nextTick(done, error as Error);
      return undefined;
    }
    return plain({ ...options, lookup: lookup(scheme, port) }, done);
  };
  return agent;
}
