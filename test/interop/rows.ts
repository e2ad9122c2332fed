/**
 * Rows of the interop matrix. The titles of the suites say which row they are, the titles of the tests which operations they prove:
 * `matrix.ts` reads both from the runner's report, so that the matrix says what really ran.
 */
export const OPERATIONS = [
  'listProducts',
  'getProducts',
  'deliverProductFiles',
  'listStandingOrders',
  'submitStandingOrder',
  'cancelStandingOrder',
  'notifyProductDelivery',
  'deliverProducts',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Row {
  readonly provider: 'our gateway' | 'our wire' | "ESA's provider";
  readonly consumer: 'our consumer' | "ESA's consumer";
  readonly transport: 'maltcp' | 'malhttp';
  readonly encoding: 'fixed' | 'variable' | 'split';
  /** Of malhttp. */
  readonly mode: 'request-response' | 'no-response' | 'no-encoding' | null;
}

export const titleOf = ({ provider, consumer, transport, encoding, mode }: Row): string =>
  `${consumer} at ${provider}, ${transport}${mode === null ? '' : ` ${mode}`}, ${encoding} encoding`;

/** The row of a suite; null for a suite that is none. */
export function rowOf(title: string): Row | null {
  const match =
    /^(our consumer|ESA's consumer) at (our gateway|our wire|ESA's provider), (maltcp|malhttp)(?: (request-response|no-response|no-encoding))?, (fixed|variable|split) encoding/.exec(
      title,
    );
  if (match === null) return null;
  const [, consumer, provider, transport, mode = null, encoding] = match;
  return { consumer, provider, transport, mode, encoding } as Row;
}

/** The operations that a test's title names: `getProducts, listProducts: …`. */
export function operationsOf(title: string): readonly Operation[] {
  const names = (/^([A-Za-z, ]+): /.exec(title)?.[1] ?? '').split(', ');
  return OPERATIONS.filter((operation) => names.includes(operation));
}

const maltcp = (['fixed', 'variable', 'split'] as const).map(
  (encoding) => ({ transport: 'maltcp', encoding, mode: null }) as const,
);
const malhttp = (['request-response', 'no-response', 'no-encoding'] as const).flatMap((mode) =>
  (['fixed', 'variable', 'split'] as const).map((encoding) => ({ transport: 'malhttp', encoding, mode }) as const),
);

/** Every way to speak, for one pair of ends. */
export const rows = (ends: Pick<Row, 'provider' | 'consumer'>): readonly Row[] =>
  [...maltcp, ...malhttp].map((way) => ({ ...ends, ...way }));

/** ESA's name of a mode. */
export const esaMode = (mode: Row['mode']): string =>
  mode === null ? 'RequestResponse' : mode.replace(/(^|-)(.)/g, (_all, _dash, letter: string) => letter.toUpperCase());

/** Why ESA's stack cannot be tested with progress interactions over malhttp. */
export const ESA_LOSES =
  "ESA's malhttp does not keep the order of a PROGRESS: it loses messages even between two of its own peers";

/** Why several notifications at a time are not counted with ESA's consumer over malhttp. */
export const ESA_LOSES_TOGETHER = "ESA's malhttp loses messages that come at the same time";
