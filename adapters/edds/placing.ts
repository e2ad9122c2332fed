import { join, relative, resolve, sep } from 'node:path';
import type { Kysely } from 'kysely';
import type { UpstreamOrder } from '../../src/gateway/backend.js';
import type { OrderPlace, OrderPlaces } from '../../src/gateway/placement.js';
import type { HandOver } from '../../src/gateway/target.js';
import { compileTree, type FilterTree } from '../../src/mpd/filter/index.js';
import { isMpdError, MpdError, type ProductMetadata } from '../../src/mpd/index.js';
import type { Neutral } from './service.js';
import type { SiteProfile } from './site.js';
import type { EddsTables } from './tables.js';

export interface PlacingOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  /** Whether EDDS is to send wherever it can. */
  readonly wanted: boolean;
  readonly places: OrderPlaces | undefined;
  readonly profile: SiteProfile;
  /** Folders here, and their paths at EDDS. */
  readonly sharedFolders: Readonly<Record<string, string>>;
  /** Whether a filter asks for what only a finished part can tell. */
  readonly needsPart: (tree: FilterTree) => boolean;
}

/** A request for delivery by EDDS itself. */
export interface FileServer {
  readonly values: Neutral;
  /** The text without the password in it. */
  readonly scrub: (text: string) => string;
}

/**
 * Which orders EDDS sends files to by itself, and how it is asked. What EDDS writes is at the consumer before the gateway has
 * seen it, so only orders whose every packet may go out are left to it. Accounts of targets pass through and are kept nowhere.
 */
export function placing(options: PlacingOptions) {
  const { db, backend, profile } = options;
  const serverFields = (kind: 'batch' | 'stream') => profile.requests[kind];

  const note = (orderId: string, reason: string | null, failed: boolean) =>
    db
      .insertInto('edds_placing')
      .values({ backend, order_id: orderId, reason, failed })
      .onConflict((conflict) => conflict.columns(['backend', 'order_id']).doUpdateSet({ reason, failed }))
      .execute();

  const known = (orderId: string) =>
    db
      .selectFrom('edds_placing')
      .select(['reason', 'failed'])
      .where('backend', '=', backend)
      .where('order_id', '=', orderId)
      .executeTakeFirst();

  const directoryAt = ({ scheme, directory }: HandOver): string => {
    if (scheme !== 'file') return directory;
    for (const [here, there] of Object.entries(options.sharedFolders)) {
      const way = relative(resolve(here), directory);
      if (way === '' || (way !== '..' && !way.startsWith(`..${sep}`))) return join(there, way);
    }
    throw refused(`${directory} is in none of the folders that EDDS shares (sharedFolders of the backend)`);
  };

  const request = (place: OrderPlace, kind: 'batch' | 'stream'): FileServer => {
    const account = place.handOver();
    const protocol = profile.delivery.protocols[account.scheme];
    if (protocol === undefined) throw refused(`EDDS does not send by ${account.scheme} (site.delivery.protocols)`);
    const fields = serverFields(kind);
    if (fields.deliveryProtocol === undefined || fields.deliveryDirectory === undefined)
      throw refused(`the site takes no file server with a ${kind} (site.requests.${kind}.deliveryDirectory)`);
    const password = account.password();
    const values: Record<string, string | number> = {
      deliveryProtocol: protocol,
      deliveryDirectory: directoryAt(account),
      ...(account.host !== null && { deliveryHost: account.host }),
      ...(account.port !== null && { deliveryPort: account.port }),
      ...(account.username !== null && { deliveryUser: account.username }),
      ...(password !== null && { deliveryPassword: password }),
    };
    return { values, scrub: scrubberOf(password) };
  };

  /** Why the gateway sends; null = EDDS does. */
  const obstacle = async (
    order: UpstreamOrder,
    place: OrderPlace,
    kinds: readonly ('batch' | 'stream')[],
    wanted: readonly ProductMetadata[],
  ): Promise<string | null> => {
    if (place.state !== 'active') return `the order is ${place.state}`;
    if (place.pathTemplate !== null) return 'the order wants sub-folders';
    if (place.form !== null) return `the order wants the form ${place.form}`;
    for (const tree of [order.filter, place.policy])
      if (tree !== null && options.needsPart(tree)) return 'each part has to be seen before it goes out';
    if (place.policy !== null) {
      const sees = compileTree(place.policy);
      if (!wanted.every((metadata) => sees(metadata, null))) return 'the owner may not see all of it';
    }
    try {
      for (const kind of new Set(kinds)) request(place, kind);
    } catch (error) {
      if (!isMpdError(error)) throw error;
      return error.message;
    }
    return null;
  };

  return {
    /** Whether EDDS is to send the files of this order; asked again and again. `kinds` and `wanted` are what it needs. */
    async decide(
      order: UpstreamOrder,
      kinds: readonly ('batch' | 'stream')[],
      wanted: readonly ProductMetadata[],
    ): Promise<boolean> {
      if (!options.wanted || options.places === undefined) return false;
      const id = String(order.orderId);
      const before = await known(id);
      if (before?.failed) return false;
      const place = await options.places(order.orderId);
      if (place === null) return false;
      const reason = await obstacle(order, place, kinds, wanted);
      if (before === undefined || before.reason !== reason) await note(id, reason, false);
      return reason === null;
    },

    /** EDDS could not: from now on the gateway sends. */
    failed: (orderId: string, reason: string) => note(orderId, reason, true),

    /** Why the gateway sends what this order gets; undefined = it was never asked for otherwise, null = EDDS sends. */
    reason: async (orderId: string): Promise<string | null | undefined> => (await known(orderId))?.reason,

    /** What to ask EDDS for; null when the gateway sends. */
    async request(orderId: string, kind: 'batch' | 'stream'): Promise<FileServer | null> {
      const state = await known(orderId);
      if (!options.wanted || state === undefined || state.reason !== null) return null;
      const place = await options.places?.(BigInt(orderId));
      return place ? request(place, kind) : null;
    },

    /** Takes the password of the order's target out of a text that EDDS wrote. */
    async scrubber(orderId: string): Promise<(text: string) => string> {
      try {
        const password = (await options.places?.(BigInt(orderId)))?.handOver().password();
        return scrubberOf(password);
      } catch {
        return scrubberOf(null);
      }
    },

    place: async (orderId: string): Promise<OrderPlace | null> => (await options.places?.(BigInt(orderId))) ?? null,

    async forget(orderId: string): Promise<void> {
      await db.deleteFrom('edds_placing').where('backend', '=', backend).where('order_id', '=', orderId).execute();
    },
  };
}

export type Placing = ReturnType<typeof placing>;

const scrubberOf =
  (password: string | null | undefined) =>
  (text: string): string =>
    password ? text.replaceAll(password, '(hidden)') : text;

const refused = (message: string): MpdError => new MpdError('Delivery Failed', { class: 'refuse', message });
