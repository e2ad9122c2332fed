import { deliveryFailed, orderFailed, unsupported } from '../mpd/index.js';
import type { Health } from './backend.js';
import { checkRelativePath } from './delivery/file-name.js';
import type { Sealer } from './delivery/seal.js';
import type { DeliveryTarget, ProbeResult, TargetConfig } from './target.js';

/** Where an order's files go. */
export interface Destination {
  readonly target: DeliveryTarget;
  /** Resolved: never `named:`. With the password when the order brought one: never log it. */
  readonly uri: URL;
}

/** What an order keeps of its deliverTo. */
export interface AcceptedDestination {
  /** Without any password. */
  readonly deliverTo: string;
  readonly secret: Uint8Array | null;
  readonly destination: Destination;
}

/** The delivery targets by URI scheme. */
export interface Targets {
  readonly schemes: readonly string[];
  /** Checks what a consumer asks for and takes the password out of it. Order Failed with the reason. */
  accept(deliverTo: string): AcceptedDestination;
  /** What `accept` took, as the store keeps it. Delivery Failed of class `refuse` when it can no longer be used. */
  resolve(deliverTo: string, secret: Uint8Array | null): Destination;
  probe(destination: Destination, signal: AbortSignal): Promise<ProbeResult>;
  checks(): Promise<readonly (Health & { readonly id: string })[]>;
  close(): Promise<void>;
}

export interface TargetsOptions {
  readonly targets: readonly DeliveryTarget[];
  readonly config: TargetConfig;
  /** Needed for `inlineCredentials`. */
  readonly sealer?: Sealer;
}

const NAMED = /^named:([^/]*)(?:\/(.*))?$/s;

export function createTargets({ targets, config, sealer }: TargetsOptions): Targets {
  const byScheme = new Map<string, DeliveryTarget>();
  for (const target of targets) for (const scheme of target.schemes) byScheme.set(scheme, target);
  const schemes = [...byScheme.keys()].sort();

  const locate = (deliverTo: string): Destination => {
    const uri = parse(expand(deliverTo, config));
    const target = byScheme.get(uri.protocol.slice(0, -1));
    if (target === undefined)
      throw orderFailed(
        `deliverTo: no target for ${uri.protocol.slice(0, -1)}; supported: ${[...schemes, 'named'].join(', ')}`,
      );
    return { target, uri };
  };

  return {
    schemes,
    accept(deliverTo) {
      const destination = locate(deliverTo);
      if (NAMED.test(deliverTo) || destination.uri.password === '') return { deliverTo, secret: null, destination };
      if (!config.inlineCredentials || sealer === undefined)
        throw orderFailed(
          'deliverTo: passwords in the URI are refused; use a named target (named:NAME) or set targets.inlineCredentials',
        );
      const secret = sealer.seal(destination.uri.password);
      return { deliverTo: withoutPassword(destination.uri), secret, destination };
    },
    resolve(deliverTo, secret) {
      try {
        const { target, uri } = locate(deliverTo);
        if (secret === null) return { target, uri };
        if (sealer === undefined) throw unsupported('deliverTo: inline credentials are switched off');
        const open = new URL(uri);
        // What `seal` was given is already escaped as in a URI.
        open.password = sealer.open(secret);
        return { target, uri: open };
      } catch (cause) {
        throw deliveryFailed((cause as Error).message, 'refuse', cause);
      }
    },
    probe: ({ target, uri }, signal) => target.probe(uri, signal),
    checks: () =>
      Promise.all(targets.map(async (target) => ({ id: target.schemes.join(','), ...(await target.check()) }))),
    async close() {
      await Promise.all(targets.map((target) => target.close()));
    },
  };
}

export function withoutPassword(uri: URL): string {
  const copy = new URL(uri);
  copy.password = '';
  return copy.href;
}

/** `named:ops/sub` as the URI configured for `ops` with `/sub` behind it; others as they are. */
function expand(deliverTo: string, config: TargetConfig): string {
  const [match, name = '', below = ''] = NAMED.exec(deliverTo) ?? [];
  if (match === undefined) return deliverTo;
  const known = Object.hasOwn(config.named, name) ? config.named[name] : undefined;
  if (known === undefined)
    throw orderFailed(
      `deliverTo: no target is named ${JSON.stringify(name)}; named targets: ${Object.keys(config.named).sort().join(', ') || 'none'}`,
    );
  const path = below.replace(/\/$/, '');
  if (path === '') return known.uri;
  try {
    const plain = decodeURIComponent(path);
    checkRelativePath(plain, 'deliverTo');
    return `${known.uri.replace(/\/+$/, '')}/${plain.split('/').map(encodeURIComponent).join('/')}`;
  } catch (cause) {
    throw orderFailed((cause as Error).message, cause);
  }
}

function parse(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    const example = 'sftp://host/folder';
    throw orderFailed(`deliverTo: ${JSON.stringify(redacted(text))} is no URI such as ${example}`, cause);
  }
}

const redacted = (text: string): string => text.replace(/:[^/@]*@/, ':…@');
