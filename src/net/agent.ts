import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';

interface Target {
  readonly host?: string | null;
  readonly port?: number | string | null;
}

type Connect = (
  options: Target & { lookup: LookupFunction } & Partial<LargeReads>,
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
    return plain({ ...options, lookup: lookup(scheme, port), ...(scheme === 'http' && largeReads()) }, done);
  };
  return agent;
}

const SLAB = 512 * 1024;
/** Offered to a connection that has shown nothing large yet: many carry one small answer. */
const FIRST = 64 * 1024;

interface LargeReads {
  readonly onread: { buffer: () => Buffer; callback: (this: Socket, count: number, into: Buffer) => boolean };
}

/**
 * `onread` of a socket that takes up to {@link SLAB} in one read, where Node's own reads take 64 KiB: a large body costs a third less.
 * What is read lies behind one another in a buffer, so that small answers waste nothing.
 */
function largeReads(): LargeReads {
  let size = FIRST;
  let slab = EMPTY;
  let used = 0;
  return {
    onread: {
      buffer() {
        if (slab.length - used < size / 4) {
          slab = Buffer.allocUnsafeSlow(size);
          used = 0;
        }
        return slab.subarray(used);
      },
      callback(count, into) {
        used += count;
        if (count === into.length) size = SLAB;
        return this.push(into.subarray(0, count));
      },
    },
  };
}

const EMPTY = Buffer.alloc(0);
