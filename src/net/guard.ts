import type { LookupAddress } from 'node:dns';
import { lookup as dnsLookup } from 'node:dns/promises';
import type { Agent } from 'node:http';
import { isIP, type LookupFunction, connect as netConnect, type OnReadOpts, type Socket } from 'node:net';
import { deliveryFailed, isMpdError, type MpdError } from '../mpd/errors.js';
import { guardedAgent } from './agent.js';
import { redact } from './redact.js';
import {
  type AllowRule,
  badPath,
  cleanHost,
  compileRule,
  permitsAddress,
  permitsName,
  portOf,
  type Rule,
  schemeOf,
  withinRoot,
} from './rules.js';

export type { AllowRule } from './rules.js';

export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface GuardOptions {
  readonly allow: readonly AllowRule[];
  /** Name service; the system's by default. */
  readonly resolve?: Resolve;
  /** Which list it is, as errors name it: `targets.allow` by default. */
  readonly list?: string;
}

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined;
  /** 10 s by default. */
  readonly timeoutMs?: number | undefined;
  /** Memory that the connection reads into, as Node's `onread`. */
  readonly onread?: OnReadOpts | undefined;
}

/**
 * Decides every outgoing address. Names are resolved once and the connection goes to an address that was checked, so that a
 * name server that changes its answer gains nothing. Link-local and metadata addresses are never reached; loopback and private
 * ones only when a rule names the host, the address or the network. Refusals are MpdError Delivery Failed of class `refuse`.
 */
export interface Guard {
  /** Scheme, host, port and path, without a look at the network. Throws; gives the URL parsed. */
  check(url: string | URL): URL;
  /** Checked addresses of a URL's host; its path is not looked at. */
  resolve(url: string | URL): Promise<readonly LookupAddress[]>;
  /** A connection for protocols that take one (SSH, FTP), to host and port of the URL; its path is not looked at. Failures to connect are of class `target-down`. */
  connect(url: string | URL, options?: ConnectOptions): Promise<Socket>;
  /** `lookup` option of sockets, requests and dispatchers. They skip it for literal addresses: {@link check} those. */
  lookup(scheme: string, port?: number): LookupFunction;
  /** An agent for clients that take one (S3, search, SOAP); it also checks literal addresses. One per scheme, keeps connections. */
  agent(scheme: 'http' | 'https'): Agent;
  /** The same guard with further rules; closed with this one. */
  allowing(rules: readonly AllowRule[]): Guard;
  close(): void;
}

export function createGuard(options: GuardOptions): Guard {
  const { allow, list = 'targets.allow', resolve = systemResolve } = options;
  const rules = allow.map(compileRule);
  const agents = new Map<string, Agent>();
  const derived: Guard[] = [];
  const ofScheme = (scheme: string) => rules.filter((rule) => rule.scheme === scheme);

  /** The rules for the URL's scheme, host and port. */
  const permitting = (url: URL): readonly Rule[] => {
    const scheme = schemeOf(url);
    const known = ofScheme(scheme);
    if (known.length === 0) throw refused(url, `scheme ${scheme} is not on the list ${list}`);
    const permitted =
      scheme === 'file' ? known.filter(() => isLocal(url)) : known.filter((rule) => permitsHost(rule, url));
    if (permitted.length === 0)
      throw refused(url, `host ${url.host || '(none)'} is not on the list ${list} for scheme ${scheme}`);
    return permitted;
  };

  const check = (given: string | URL): URL => {
    const url = parse(given);
    const permitted = permitting(url);
    const bad = badPath(url);
    if (bad) throw refused(url, bad);
    if (!permitted.some((rule) => withinRoot(rule, url)))
      throw refused(url, `the path is outside the folders of the list ${list}`);
    return url;
  };

  /** Addresses of `host` that may be reached; refuses when there is none among those found. */
  const addresses = async (scheme: string, host: string, port: number | undefined, permitted: readonly Rule[]) => {
    const name = cleanHost(host);
    const found = isIP(name) ? [{ address: name, family: isIP(name) }] : await resolve(name);
    const good = found.filter(({ address }) => permitted.some((rule) => permitsAddress(rule, name, address, port)));
    if (good.length > 0) return good;
    const seen = found.map(({ address }) => address).join(', ') || 'no address';
    throw deliveryFailed(`${scheme}://${host}: it is at ${seen}, where ${list} lets nothing connect to`);
  };

  const lookup = (scheme: string, port?: number): LookupFunction => {
    const permitted = ofScheme(scheme);
    return (host, { all, family }, callback) => {
      addresses(scheme, host, port, permitted).then(
        (good) => {
          const wanted = family === 4 || family === 'IPv4' ? 4 : family === 6 || family === 'IPv6' ? 6 : undefined;
          const fitting = wanted ? good.filter((each) => each.family === wanted) : good;
          const [first] = fitting;
          if (!first)
            callback(Object.assign(new Error(`${host} has no address of family ${wanted}`), { code: 'ENOTFOUND' }), []);
          else if (all) callback(null, [...fitting]);
          else callback(null, first.address, first.family);
        },
        (error: NodeJS.ErrnoException) => callback(error, []),
      );
    };
  };

  const checkedResolve = async (given: string | URL) => {
    const url = parse(given);
    return addresses(schemeOf(url), url.hostname, portOf(url), permitting(url)).catch((error) => {
      throw isMpdError(error) ? error : deliveryFailed(`${where(url)}: ${error.message}`, 'target-down', error);
    });
  };

  const connect = async (given: string | URL, { signal, timeoutMs = 10_000, onread }: ConnectOptions = {}) => {
    const url = parse(given);
    permitting(url);
    const port = portOf(url);
    if (port === undefined) throw refused(url, `scheme ${schemeOf(url)} has no usual port: name one`);
    const limit = AbortSignal.timeout(timeoutMs);
    const either = signal ? AbortSignal.any([signal, limit]) : limit;
    const good = await unlessAborted(checkedResolve(url), either, () => unreachable(url, signal, timeoutMs));
    return openSocket(url, good, { port, onread }, either, () => unreachable(url, signal, timeoutMs));
  };

  return {
    check,
    resolve: checkedResolve,
    connect,
    lookup,
    agent(scheme) {
      const known = agents.get(scheme) ?? guardedAgent(scheme, (url) => permitting(new URL(url)), lookup);
      agents.set(scheme, known);
      return known;
    },
    allowing(more) {
      const wider = createGuard({ ...options, allow: [...allow, ...more] });
      derived.push(wider);
      return wider;
    },
    close() {
      for (const guard of derived.splice(0)) guard.close();
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

function parse(given: string | URL): URL {
  if (given instanceof URL) return given;
  if (URL.canParse(given)) return new URL(given);
  throw deliveryFailed(`${redact(given)} is not a URI`);
}

function permitsHost(rule: Rule, url: URL): boolean {
  const host = cleanHost(url.hostname);
  // What a name service would make of it is anybody's guess.
  if (host === '' || /[%\s\\]/.test(host)) return false;
  return permitsName(rule, host, portOf(url));
}

function isLocal(url: URL): boolean {
  return url.host === '' || url.host === 'localhost';
}

function where(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

function refused(url: URL, reason: string): MpdError {
  return deliveryFailed(`${where(url)}: ${reason}`);
}

function unreachable(url: URL, signal: AbortSignal | undefined, timeoutMs: number): unknown {
  if (signal?.aborted) return signal.reason;
  return deliveryFailed(`${where(url)}: no connection within ${timeoutMs} ms`, 'target-down');
}

async function systemResolve(hostname: string): Promise<readonly LookupAddress[]> {
  return dnsLookup(hostname, { all: true });
}

async function unlessAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
  reason: () => unknown,
): Promise<Result> {
  if (signal.aborted) throw reason();
  return new Promise((resolve, reject) => {
    const stop = () => reject(reason());
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Connects to one of the addresses, trying the next before the first has failed when it is slow. */
function openSocket(
  url: URL,
  good: readonly LookupAddress[],
  { port, onread }: { readonly port: number; readonly onread: OnReadOpts | undefined },
  signal: AbortSignal,
  reason: () => unknown,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const lookup: LookupFunction = (_host, { all }, callback) =>
      all ? callback(null, [...good]) : callback(null, good[0]!.address, good[0]!.family);
    const socket = netConnect({
      ...{ host: 'checked.invalid', port, lookup, autoSelectFamily: true },
      ...(onread && { onread }),
    });
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(error);
    };
    const abort = () => fail(reason());
    const failed = (error: Error) => fail(deliveryFailed(`${where(url)}: ${describe(error)}`, 'target-down', error));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', failed).once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

/** Text of a network error, which has none of its own when several addresses were tried. */
export function describe(error: Error): string {
  if (error instanceof AggregateError)
    return [...new Set(error.errors.map((each) => (each as Error).message))].join('; ');
  return error.message || error.name;
}
