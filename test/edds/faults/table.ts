import type { CallRule, Switches } from '../../../simulators/edds/index.js';

/** One fault of EDDS, how it is staged, and what comes of it at the gateway. */
export interface FaultRow {
  /** Of the issue and of the specification. */
  readonly fault: string;
  /** Calls that go wrong, and switches that are set while the product is got. */
  readonly rules?: readonly CallRule[];
  readonly switches?: Partial<Switches>;
  /** What is asked of the gateway meanwhile. Default: getting a virtual product. */
  readonly act?: 'list' | 'health' | 'reissue';
  /** What the asker gets: the product (or list), or an error with its code. */
  readonly state: string;
  /** What the asker is told; of a product that comes nothing. */
  readonly message: string;
  /** Requests that were made at EDDS meanwhile. */
  readonly requests: number;
}

const always = (rule: CallRule): readonly CallRule[] => [{ ...rule, times: 1000 }];
const WHOLE = { state: 'whole', message: '', requests: 1 } as const;
const ID = '<request>';

export const FAULTS: readonly FaultRow[] = [
  { fault: 'SOAP fault with HTTP 500, once', rules: [{ effect: 'fault-500', operation: 'getStatus' }], ...WHOLE },
  { fault: 'SOAP fault with HTTP 200, once', rules: [{ effect: 'fault-200', operation: 'getResponse' }], ...WHOLE },
  {
    fault: 'SOAP fault with HTTP 500, always',
    rules: always({ effect: 'fault-500', operation: 'getStatus' }),
    state: 'Internal',
    message: 'EDDS reports an error of its own: an internal error occurred',
    requests: 1,
  },
  {
    fault: 'SOAP fault with HTTP 200, always, at the submission',
    rules: always({ effect: 'fault-200', operation: 'batchRequest' }),
    state: 'Internal',
    message: 'EDDS reports an error of its own: an internal error occurred',
    requests: 0,
  },
  { fault: 'HTTP 503 without SOAP, once', rules: [{ effect: 'unavailable', operation: 'getStatus' }], ...WHOLE },
  {
    fault: 'HTTP 503 without SOAP, always',
    rules: always({ effect: 'unavailable', operation: 'getStatus' }),
    state: 'Internal',
    message: 'EDDS answers HTTP 503 without SOAP',
    requests: 1,
  },
  { fault: 'XML cut off, once', rules: [{ effect: 'cut-xml', operation: 'getResponse' }], ...WHOLE },
  {
    fault: 'XML cut off, always',
    rules: always({ effect: 'cut-xml', operation: 'getResponse' }),
    state: 'Internal',
    message: 'the answer of EDDS cannot be read: the XML ends before its last element is closed',
    requests: 1,
  },
  { fault: 'slow', rules: [{ effect: 'slow', operation: 'getStatus', millis: 700 }], ...WHOLE },
  {
    fault: 'slow beyond the time for an answer (`idle`)',
    rules: always({ effect: 'slow', operation: 'getStatus', millis: 4000 }),
    state: 'Delivery Failed',
    message: '<host>: no answer for 2000 ms',
    requests: 1,
  },
  { fault: 'token expired in mid-poll', rules: [{ effect: 'expire-token', operation: 'getStatus' }], ...WHOLE },
  { fault: 'token expired before a part', rules: [{ effect: 'expire-token', operation: 'getResponse' }], ...WHOLE },
  {
    fault: 'token never accepted',
    rules: always({ effect: 'expire-token', operation: 'getStatus' }),
    state: 'Authentication Failed',
    message: 'EDDS ended the session: log in first: there is no valid session',
    requests: 1,
  },
  {
    fault: 'job stuck: it is given up and cancelled',
    switches: { stuck: true },
    state: 'Internal',
    message: `EDDS request ${ID} is ACTIVE after 3 s; it was given up`,
    requests: 1,
  },
  {
    fault: 'job FAILED',
    switches: { fail: 'the archive is being rebuilt' },
    state: 'Internal',
    message: `EDDS request ${ID} ended FAILED (INTERNAL: the archive is being rebuilt)`,
    requests: 1,
  },
  { fault: 'job that takes longer', switches: { delay: 500 }, ...WHOLE },
  {
    fault: 'unknown state name: taken for running until the deadline',
    switches: { state: 'PONDERING' },
    state: 'Internal',
    message: `EDDS request ${ID} is PONDERING after 3 s; it was given up`,
    requests: 1,
  },
  {
    fault: 'part missing',
    rules: always({ effect: 'part-missing', operation: 'getResponse' }),
    state: 'Internal',
    message: `part 1 of ${ID} is missing at EDDS`,
    requests: 1,
  },
  {
    fault: 'part re-issued under another name before it was fetched again',
    act: 'reissue',
    state: 'whole',
    message: '',
    requests: 0,
  },
  {
    fault: 'answer to a submission lost: found again, not submitted twice',
    rules: [{ effect: 'lost-answer', operation: 'batchRequest' }],
    ...WHOLE,
  },
  { fault: 'connection reset before the call', rules: [{ effect: 'reset', operation: 'batchRequest' }], ...WHOLE },
  { fault: 'connection reset in a part', rules: [{ effect: 'reset-midway', operation: 'getResponse' }], ...WHOLE },
  { fault: 'wrong content length', rules: [{ effect: 'wrong-length', operation: 'getResponse' }], ...WHOLE },
  {
    fault: 'half of the content missing, once',
    rules: [{ effect: 'short-content', operation: 'getResponse' }],
    ...WHOLE,
  },
  {
    fault: 'half of the content missing, always',
    rules: always({ effect: 'short-content', operation: 'getResponse' }),
    state: 'Internal',
    message: 'part 1 has <n> bytes where EDDS announces <n>',
    requests: 1,
  },
  {
    fault: 'catalogue of 10 000 elements',
    switches: { catalogueFiles: 10_000 },
    act: 'list',
    state: '10000 files',
    message: '',
    requests: 0,
  },
  { fault: 'clock a minute behind', switches: { clockSkew: -60_000 }, ...WHOLE },
  { fault: 'clock a minute ahead', switches: { clockSkew: 60_000 }, ...WHOLE },
  {
    fault: 'elements without Packet: left out',
    switches: { emptyPacket: true },
    ...WHOLE,
    state: 'whole but every tenth',
  },
  { fault: 'packets out of order: kept as they are', switches: { outOfOrder: true }, ...WHOLE },
  { fault: 'FrameCount of `-`', switches: { frameCountDash: true }, ...WHOLE },
  {
    fault: 'every connection is reset',
    switches: { down: true },
    act: 'health',
    state: 'not ready',
    message: 'EDDS at <host>: <host>: read ECONNRESET',
    requests: 0,
  },
];

/** docs/edds-faults.md */
export function faultPage(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  const how = ({ rules = [], switches = {}, act }: FaultRow): string =>
    [
      ...rules.map(
        ({ effect, operation, millis, times }) =>
          `\`${effect}\` in ${operation}${millis === undefined ? '' : ` by ${millis} ms`}${times === undefined ? '' : ', every time'}`,
      ),
      ...Object.entries(switches).map(([name, value]) => `\`${name}\` = ${JSON.stringify(value)}`),
      ...(act === 'reissue' ? ['`reissue`'] : []),
    ].join('; ');
  const rows = FAULTS.map(
    (row) => `| ${cell(row.fault)} | ${how(row)} | ${cell(row.state)} | ${cell(row.message)} | ${row.requests} |`,
  );
  return `# Faults of EDDS and what comes of them

The switches are those of \`mpd-gateway simulate edds\` (\`POST <controlUrl>/fault\` and \`/switches\`). Each row is staged behind a
whole gateway and asked over HTTP by \`test/edds/faults/faults.test.ts\`, which compares state, message and the number of requests
made at EDDS with this table; a switch without a row fails it. This page is made from it:
\`npx vitest run test/edds/faults -u\`. Numbers, names and addresses in messages are shortened.

| Fault | Switch | What the asker gets | What it is told | Requests at EDDS |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
