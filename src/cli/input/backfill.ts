import type { Command } from 'commander';
import { parseInterval } from '../../bindings/http/query/interval.js';
import type { BackfillRequest } from '../../client/index.js';
import { MAX_TIME, MIN_TIME } from '../../mal/index.js';
import { isMpdError, type TimeWindow } from '../../mpd/index.js';
import { usage } from '../exit-codes.js';
import { interval } from './arguments.js';

const AXES = ['available', 'created', 'content'] as const;

export interface AxisOptions {
  readonly available?: TimeWindow;
  readonly created?: TimeWindow;
  readonly content?: TimeWindow;
  readonly all?: boolean;
}

export const windowAxis = (command: Command): Command =>
  command
    .option('--created <interval>', 'by creation time', interval)
    .option('--content <interval>', 'by content period', interval)
    .option('--available <interval>', 'by when this gateway could first fetch it', interval)
    .option('--all', 'no window: everything');

/** From the options of {@link windowAxis}, or from `axis:interval` (or `all`). */
export function readBackfill(given: AxisOptions | string): BackfillRequest {
  if (typeof given === 'string') return fromText(given);
  const named = AXES.filter((axis) => given[axis] !== undefined);
  if (named.length + (given.all === true ? 1 : 0) !== 1)
    throw usage('say one of --created, --content, --available or --all');
  const [axis] = named;
  return axis === undefined ? { axis: 'available', from: null, to: null } : open(axis, given[axis]!);
}

function fromText(text: string): BackfillRequest {
  if (text === 'all') return { axis: 'available', from: null, to: null };
  const at = text.indexOf(':');
  const axis = AXES.find((name) => name === text.slice(0, at));
  if (axis === undefined)
    throw usage(
      `--backfill: expected created:, content: or available: and an interval, or all, not ${JSON.stringify(text)}`,
    );
  try {
    return open(axis, parseInterval(text.slice(at + 1), ''));
  } catch (error) {
    if (isMpdError(error)) throw usage(`--backfill: ${error.message.replace(/^: /, '')}`);
    throw error;
  }
}

const open = (axis: BackfillRequest['axis'], { start, end }: TimeWindow): BackfillRequest => ({
  axis,
  from: start === MIN_TIME ? null : start,
  to: end === MAX_TIME ? null : end,
});
