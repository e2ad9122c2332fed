/** Every fault switch of the stand-in (spec §11.3) with the type of its value; `true` switches are plain. */
export interface FaultValues {
  /** The document is searchable this much later than its event. */
  indexLagMs: number;
  eventLagMs: number;
  dropEvents: true;
  dupEvents: true;
  /** Events are held until this many are there (or 300 ms passed) and sent in reverse order. */
  shuffleEvents: number;
  /** `"true"`/`"false"` in `s3_object_changed` and `failed`. */
  stringBooleans: true;
  /** Removals and moves are announced. */
  removalEvents: true;
  /** Sockets are cut without a close frame: those open now, and those that send their first frames while it is on. */
  cutSocket: true;
  /** Sockets stay open and silent: neither events nor pongs. */
  freezeSocket: true;
  noPong: true;
  /** Tokens known now get 401; a new login works. */
  expireToken: true;
  /** The next download breaks half way and the token is 401 from then on. */
  expireMidStream: true;
  totalPlus: number;
  /** Playback pages are empty from this page number (1 = first) on. */
  emptyPageEarly: number;
  noMarker: true;
  playbackStatus: number;
  rowsWithoutName: true;
  /** A put leaves an older document of the same name in the index. */
  duplicateNames: true;
  pepStatus: number;
  pepDelayMs: number;
  truncateBody: 'length' | 'chunked';
  wrongBytes: true;
  presignExpired: true;
  /** CSSO redirects and CAM links name the other loopback host name. */
  crossHostRedirect: true;
  /** Objects are stored by multipart upload: ETag `<hex>-<n>`. */
  multipartEtag: true;
  es6Totals: true;
  /** Answer 400 for `from + size` beyond this. */
  window10000: number;
  esStatus: number;
  /** One shard failed: half of the hits are missing. */
  partialShards: true;
  /** A search context is lost: 404 for a page that names one. */
  lostContext: true;
  /** `load` adds files with hard names. */
  oddNames: true;
  /** Type fields of new documents are arrays. */
  arrayValues: true;
  /** New documents lack all optional type fields. */
  missingFields: true;
  /** Times in text fields are day-of-year with five decimals. */
  doyTimes: true;
  clockSkewMs: number;
  slowUpload: number;
  /** Upload status frames are sent to sockets. */
  uploadStatus: true;
}

export type FaultName = keyof FaultValues;

/** Every one of them: a switch that is not named here does not compile. */
const all: Readonly<Record<FaultName, true>> = {
  indexLagMs: true,
  eventLagMs: true,
  dropEvents: true,
  dupEvents: true,
  shuffleEvents: true,
  stringBooleans: true,
  removalEvents: true,
  cutSocket: true,
  freezeSocket: true,
  noPong: true,
  expireToken: true,
  expireMidStream: true,
  totalPlus: true,
  emptyPageEarly: true,
  noMarker: true,
  playbackStatus: true,
  rowsWithoutName: true,
  duplicateNames: true,
  pepStatus: true,
  pepDelayMs: true,
  truncateBody: true,
  wrongBytes: true,
  presignExpired: true,
  crossHostRedirect: true,
  multipartEtag: true,
  es6Totals: true,
  window10000: true,
  esStatus: true,
  partialShards: true,
  lostContext: true,
  oddNames: true,
  arrayValues: true,
  missingFields: true,
  doyTimes: true,
  clockSkewMs: true,
  slowUpload: true,
  uploadStatus: true,
};

export const faultNames = Object.keys(all) as readonly FaultName[];

export interface FaultScope {
  /** Only for this user; default everybody. */
  readonly user?: string;
  /** Switches itself off after this many uses; default never. */
  readonly count?: number;
}

interface Active {
  readonly value: unknown;
  readonly user: string | undefined;
  left: number;
}

/** The switches that are on. */
export class Faults {
  readonly #active = new Map<FaultName, Active[]>();

  set<Name extends FaultName>(name: Name, value: FaultValues[Name] | false, scope: FaultScope = {}): void {
    const others = (this.#active.get(name) ?? []).filter((active) => active.user !== scope.user);
    const added = value === false ? [] : [{ value, user: scope.user, left: scope.count ?? Number.POSITIVE_INFINITY }];
    this.#active.set(name, [...others, ...added]);
  }

  clear(): void {
    this.#active.clear();
  }

  /** The value when the switch is on for this user, without using it up. */
  peek<Name extends FaultName>(name: Name, user?: string): FaultValues[Name] | undefined {
    return this.#find(name, user)?.value as FaultValues[Name] | undefined;
  }

  /** The value when the switch is on for this user; counts as one use. */
  take<Name extends FaultName>(name: Name, user?: string): FaultValues[Name] | undefined {
    const active = this.#find(name, user);
    if (active) active.left--;
    return active?.value as FaultValues[Name] | undefined;
  }

  on(): Readonly<Record<string, unknown>> {
    const entries = [...this.#active].flatMap(([name, list]) => {
      const live = list.filter((active) => active.left > 0);
      return live.length > 0 ? [[name, live.map(({ value, user, left }) => ({ value, user, left }))] as const] : [];
    });
    return Object.fromEntries(entries);
  }

  #find(name: FaultName, user: string | undefined): Active | undefined {
    return this.#active.get(name)?.find((a) => a.left > 0 && (a.user === undefined || a.user === user));
  }
}
