import { type FaultName, faultNames } from '../../../simulators/datadrive/index.js';

export type Family = 'feed' | 'login' | 'playback' | 'endpoint' | 'index' | 'documents' | 'uploads';

/** One fault of the real system: what it is there, and what the gateway makes of it, word for word as the tests find it. */
export interface FaultRow {
  readonly family: Family;
  readonly fault: FaultName;
  /** One of several ways that the fault can go. */
  readonly variant?: string;
  readonly real: string;
  /** Ledger, files at the target, and what else is counted. */
  readonly state: string;
  /** Lines of the log from `warn` up and what commands print; names of this run stand as `https://index`, `<id>` and the like. */
  readonly sees: string;
}

export const titleOf = ({ fault, variant }: FaultRow): string =>
  variant === undefined ? fault : `${fault}: ${variant}`;

export const faultTable: readonly FaultRow[] = [
  {
    ...{ family: 'feed', fault: 'indexLagMs' },
    real: 'The event comes before its document can be found, by seconds, for some products by minutes.',
    state: '2 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'feed', fault: 'eventLagMs' },
    real: 'The event comes long after the document.',
    state: '2 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'feed', fault: 'dropEvents' },
    real: 'Events are lost: delivery is not guaranteed.',
    state: '3 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'feed', fault: 'dupEvents' },
    real: 'Events come twice: at least once at best.',
    state: '3 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'feed', fault: 'shuffleEvents' },
    real: 'Events come in any order.',
    state: '3 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'feed', fault: 'stringBooleans' },
    real: '`s3_object_changed` is the text "true" or "false".',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'feed', fault: 'removalEvents' },
    real: 'Removals are announced as events, at some sites only.',
    state: '1 withdrawn; 1 delivered once, byte for byte',
    sees: 'products list (exit 0): 1 product, each once',
  },
  {
    ...{ family: 'feed', fault: 'cutSocket' },
    real: 'The socket ends without a close frame.',
    state: '2 delivered once, byte for byte; the feed is connected again',
    sees: 'log: the event feed ended; until it is back changes are found by polling',
  },
  {
    ...{ family: 'feed', fault: 'freezeSocket' },
    real: 'The socket stays open and dead: no events, no pongs.',
    state: '2 delivered once, byte for byte; the feed is connected again',
    sees: 'log: the event feed was silent for 1500 ms; until it is back changes are found by polling',
  },
  {
    ...{ family: 'feed', fault: 'noPong' },
    real: 'The socket is not answered when it pings.',
    state: '2 delivered once, byte for byte; the feed is connected again',
    sees: 'log: the event feed was silent for 1500 ms; until it is back changes are found by polling',
  },
  {
    ...{ family: 'feed', fault: 'clockSkewMs', variant: 'an hour behind' },
    real: 'The site’s clock is behind: new documents have old times.',
    state: '2 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'feed', fault: 'clockSkewMs', variant: 'an hour ahead' },
    real: 'The site’s clock is ahead: documents are from the future.',
    state: '2 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'login', fault: 'expireToken', variant: 'the login can be renewed' },
    real: 'The session ends while it is used: 401.',
    state: '2 delivered once, byte for byte',
    sees: 'products list (exit 0): 2 products, each once',
  },
  {
    ...{ family: 'login', fault: 'expireToken', variant: 'it cannot' },
    real: 'The session ends and the token was given by hand.',
    state: '1 delivered once, byte for byte',
    sees: [
      'log: following the backend failed: the search server refused the login (401)',
      'log: request failed: the search server refused the login (401)',
      'products list (exit 8): mpd-gateway: the search server refused the login (401) (Internal)',
      'doctor (exit 10): elasticsearch: https://index: the search server refused the login (401) → renew the token of login; event feed https://datadrive: does not take the login (401) → renew the token of login',
    ].join('\n'),
  },
  {
    ...{ family: 'login', fault: 'expireMidStream' },
    real: 'A download breaks half way and its session is over.',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'playback', fault: 'totalPlus' },
    real: '`total` is higher than the rows that come: the public client asks without end.',
    state: '3 delivered once, byte for byte; playback was never asked',
    sees: 'nothing',
  },
  {
    ...{ family: 'playback', fault: 'emptyPageEarly' },
    real: 'A page in the middle is empty: the older public client stops there.',
    state: '3 delivered once, byte for byte; playback was never asked',
    sees: 'nothing',
  },
  {
    ...{ family: 'playback', fault: 'noMarker' },
    real: 'There is no marker: the public client reads page 1 again.',
    state: '3 delivered once, byte for byte; playback was never asked',
    sees: 'nothing',
  },
  {
    ...{ family: 'playback', fault: 'playbackStatus' },
    real: 'Playback fails: the public client takes that for its end and loses files.',
    state: '3 delivered once, byte for byte; playback was never asked',
    sees: 'nothing',
  },
  {
    ...{ family: 'playback', fault: 'rowsWithoutName' },
    real: 'Rows lack their name and place.',
    state: '3 delivered once, byte for byte; playback was never asked',
    sees: 'nothing',
  },
  {
    ...{ family: 'endpoint', fault: 'pepStatus', variant: '503 once' },
    real: 'The data endpoint fails: the public client tries once and loses the file.',
    state: '1 delivered once at a later attempt, byte for byte',
    sees: 'log: a delivery did not succeed: the data endpoint answered 503',
  },
  {
    ...{ family: 'endpoint', fault: 'pepStatus', variant: '503 beyond the deadline' },
    real: 'The data endpoint fails for longer than an order waits.',
    state: '1 delivered once, byte for byte; dead and not visible before `orders redrive`',
    sees: [
      'log: a delivery did not succeed: the data endpoint answered 503',
      'orders deliveries: dead, the data endpoint answered 503',
    ].join('\n'),
  },
  {
    ...{ family: 'endpoint', fault: 'pepDelayMs' },
    real: 'The data endpoint is slow.',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'endpoint', fault: 'truncateBody', variant: 'with a length' },
    real: 'A body ends early: the public client hangs on the file for ever.',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'endpoint', fault: 'truncateBody', variant: 'chunked' },
    real: 'A body ends early: the public client keeps the part.',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'endpoint', fault: 'wrongBytes', variant: 'deliver-flagged' },
    real: 'The bytes are not those that the md5 of the index describes.',
    state: '1 delivered once, with other bytes, flagged: not what the source says of it',
    sees: 'orders deliveries: notified, source check mismatch',
  },
  {
    ...{ family: 'endpoint', fault: 'wrongBytes', variant: 'hold' },
    real: 'The same, and the order holds what is bad.',
    state: '1 delivered once, byte for byte; dead and not visible before `orders redrive`',
    sees: [
      'log: a delivery did not succeed: the source claims md5 9a0364b9e99bb480dd25e1f0284c8555, its bytes have 7efcc4bc7598e85891d562ffc0680c4f',
      'orders deliveries: dead, source check mismatch, the source claims md5 9a0364b9e99bb480dd25e1f0284c8555, its bytes have 7efcc4bc7598e85891d562ffc0680c4f; held, redrive it to deliver it all the same',
    ].join('\n'),
  },
  {
    ...{ family: 'endpoint', fault: 'presignExpired', variant: 'once' },
    real: 'A presigned link has expired before it is used: 403.',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'endpoint', fault: 'presignExpired', variant: 'always' },
    real: 'Every link is refused, as with clocks that differ.',
    state: '1 delivered once, byte for byte',
    sees: [
      'log: a delivery did not succeed: the data endpoint answered 403: the login may not read it, or its link has expired',
      'log: deliveries wait: it does not work',
      'log: deliveries go on: it works again',
      'orders deliveries: waiting, the data endpoint answered 403: the login may not read it, or its link has expired',
    ].join('\n'),
  },
  {
    ...{ family: 'endpoint', fault: 'crossHostRedirect' },
    real: 'The redirect names another host than was agreed.',
    state: '1 delivered once, byte for byte; dead and not visible before `orders redrive`',
    sees: [
      'log: a delivery did not succeed: the data endpoint sends to http://localhost:<port>, which pep.links does not list: http://localhost:<port>: host localhost:<port> is not on the list targets.allow for scheme http',
      'orders deliveries: dead, the data endpoint sends to http://localhost:<port>, which pep.links does not list',
    ].join('\n'),
  },
  {
    ...{ family: 'index', fault: 'esStatus', variant: '429 twice' },
    real: 'The index is busy for a moment.',
    state: '25 delivered once, byte for byte',
    sees: 'products list (exit 0): 25 products, each once',
  },
  {
    ...{ family: 'index', fault: 'esStatus', variant: '503 for long' },
    real: 'The index is away.',
    state: '2 delivered once, byte for byte',
    sees: [
      'log: following the backend failed: the search server answered 503',
      'log: request failed: the search server answered 503',
      'products list (exit 8): mpd-gateway: the search server answered 503 (Internal)',
      'doctor (exit 10): elasticsearch: https://index: the search server answered 503 → it is there and does not work: ask who runs it',
    ].join('\n'),
  },
  {
    ...{ family: 'index', fault: 'partialShards', variant: 'once' },
    real: 'A part of the index does not answer: half of the hits are missing, with status 200.',
    state: '25 delivered once, byte for byte',
    sees: 'products list (exit 0): 25 products, each once',
  },
  {
    ...{ family: 'index', fault: 'partialShards', variant: 'for long' },
    real: 'The same, and it lasts.',
    state: '2 delivered once, byte for byte',
    sees: [
      'log: following the backend failed: a part of the index did not answer',
      'log: request failed: a part of the index did not answer',
      'products list (exit 8): mpd-gateway: a part of the index did not answer (Internal)',
      'doctor (exit 10): alias m2020-spice-inventory: of index ocs-m2020-spice-inventory-v1: a part of the index did not answer → ask who runs the server; alias m2020-spice-kernel: of index ocs-m2020-spice-kernel-v1: a part of the index did not answer → ask who runs the server; alias m2020-spice-label: of index ocs-m2020-spice-label-v1: a part of the index did not answer → ask who runs the server',
    ].join('\n'),
  },
  {
    ...{ family: 'index', fault: 'es6Totals' },
    real: 'Totals are numbers, as Elasticsearch 6 gave them.',
    state: '25 delivered once, byte for byte',
    sees: ['products list (exit 0): 25 products, each once', 'doctor (exit 0): all is well'].join('\n'),
  },
  {
    ...{ family: 'index', fault: 'window10000' },
    real: 'No page reaches beyond a window (here 10 documents): 400.',
    state: '25 delivered once, byte for byte',
    sees: 'products list (exit 0): 25 products, each once',
  },
  {
    ...{ family: 'index', fault: 'lostContext' },
    real: 'The frozen view of a listing is forgotten between two pages: 404.',
    state: '25 delivered once, byte for byte',
    sees: 'products list (exit 0): 25 products, each once',
  },
  {
    ...{ family: 'documents', fault: 'duplicateNames' },
    real: 'Two documents have one name; the older describes bytes that were overwritten.',
    state: '2 delivered once, byte for byte',
    sees: 'products list (exit 0): 1 product, each once',
  },
  {
    ...{ family: 'documents', fault: 'multipartEtag' },
    real: 'The ETag is no md5: `<hex>-<n>`.',
    state: '1 delivered once, byte for byte; checksum is absent',
    sees: 'nothing',
  },
  {
    ...{ family: 'documents', fault: 'oddNames' },
    real: 'Names hold spaces, `#`, `?`, `%`, `+`, a backslash, non-ASCII.',
    state: '7 delivered once, byte for byte',
    sees: 'products list (exit 0): 7 products, each once',
  },
  {
    ...{ family: 'documents', fault: 'arrayValues' },
    real: 'A field that is usually a scalar is a list.',
    state: '1 delivered once, byte for byte; mission is "mars2020"',
    sees: 'nothing',
  },
  {
    ...{ family: 'documents', fault: 'missingFields' },
    real: 'Fields of the type are missing.',
    state: '1 delivered once, byte for byte; mission is absent',
    sees: 'nothing',
  },
  {
    ...{ family: 'documents', fault: 'doyTimes' },
    real: 'Times in text fields are day-of-year, to five decimals.',
    state: '1 delivered once, byte for byte; label_time is "2021-232T11:52:01.00000"',
    sees: 'nothing',
  },
  {
    ...{ family: 'uploads', fault: 'slowUpload' },
    real: 'An upload takes long; nothing of it is there before its end.',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
  {
    ...{ family: 'uploads', fault: 'uploadStatus' },
    real: 'Messages about uploads come on the feed, with texts for booleans.',
    state: '1 delivered once, byte for byte',
    sees: 'nothing',
  },
];

/** Switches of the stand-in that no row shows. */
export const unprovedFaults = (): readonly FaultName[] => {
  const proved = new Set(faultTable.map(({ fault }) => fault));
  return faultNames.filter((name) => !proved.has(name));
};
