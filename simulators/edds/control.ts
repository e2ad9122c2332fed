import type { OperationName } from './shape.js';

/** What goes wrong with one call. */
export const CALL_EFFECTS = [
  /** A fault INTERNAL with HTTP 500, or with HTTP 200. */
  'fault-500',
  'fault-200',
  /** HTTP 503 without SOAP. */
  'unavailable',
  /** The connection is reset before anything is done, after it was done, or half way through the answer. */
  'reset',
  'lost-answer',
  'reset-midway',
  /** A complete HTTP answer whose XML stops half way. */
  'cut-xml',
  /** Content-Length says more than is sent. */
  'wrong-length',
  /** Well-formed, but half of the content is missing. */
  'short-content',
  /** The session is forgotten before the call is looked at. */
  'expire-token',
  /** getResponse: the part will never exist. */
  'part-missing',
  /** The answer waits `millis`. */
  'slow',
] as const;
export type CallEffect = (typeof CALL_EFFECTS)[number];

export interface CallRule {
  readonly effect: CallEffect;
  /** Default: any but login. */
  readonly operation?: OperationName;
  /** How many calls, default 1. */
  readonly times?: number;
  /** Calls to let pass before. */
  readonly skip?: number;
  readonly millis?: number;
}

/** What goes wrong with jobs and data, until changed again. */
export interface Switches {
  /** Jobs stay ACTIVE. */
  stuck: boolean;
  /** Jobs end FAILED with this reason. */
  fail: string | null;
  /** getStatus and getJobs answer with this state. */
  state: string | null;
  /** Milliseconds that a job takes longer. */
  delay: number;
  /** Every tenth packet element has no Packet. */
  emptyPacket: boolean;
  /** Neighbouring packets change places. */
  outOfOrder: boolean;
  /** Commands have FrameCount `-`. */
  frameCountDash: boolean;
  /** Files in the catalogue instead of the configured number. */
  catalogueFiles: number | null;
  /** Milliseconds the server's clock is ahead. */
  clockSkew: number;
  /** Every connection is reset. */
  down: boolean;
}

export function faultControl() {
  const initial: Switches = {
    stuck: false,
    fail: null,
    state: null,
    delay: 0,
    emptyPacket: false,
    outOfOrder: false,
    frameCountDash: false,
    catalogueFiles: null,
    clockSkew: 0,
    down: false,
  };
  const switches: Switches = { ...initial };
  let rules: { rule: CallRule; skip: number; left: number }[] = [];
  const calls = new Map<OperationName, number>();
  let parallel = 0;
  let mostParallel = 0;

  return {
    switches,
    inject(rule: CallRule): void {
      rules.push({ rule, skip: rule.skip ?? 0, left: rule.times ?? 1 });
    },
    clear(): void {
      rules = [];
      Object.assign(switches, initial);
    },
    /** The rule that this call falls under, used up by it. */
    take(operation: OperationName): CallRule | null {
      for (const entry of rules) {
        const fits = entry.rule.operation === undefined ? operation !== 'login' : entry.rule.operation === operation;
        if (!fits || entry.left === 0) continue;
        if (entry.skip > 0) {
          entry.skip--;
          continue;
        }
        entry.left--;
        return entry.rule;
      }
      return null;
    },
    began(operation: OperationName): void {
      calls.set(operation, (calls.get(operation) ?? 0) + 1);
      parallel++;
      mostParallel = Math.max(mostParallel, parallel);
    },
    ended(): void {
      parallel--;
    },
    /** Calls of an operation since the start. */
    calls: (operation: OperationName): number => calls.get(operation) ?? 0,
    /** Most calls that were under way at once. */
    get mostParallel() {
      return mostParallel;
    },
    resetCounts(): void {
      calls.clear();
      mostParallel = parallel;
    },
  };
}

export type FaultControl = ReturnType<typeof faultControl>;
