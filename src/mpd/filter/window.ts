import { invalid } from '../errors.js';
import type { TimeWindow } from '../types.js';

/** @throws MpdError Invalid, naming the field, when the window ends before it starts */
export function checkWindow(window: TimeWindow | null, field: string): void {
  if (window !== null && window.end < window.start) throw invalid(field, 'the window ends before it starts');
}

/** Both ends included. */
export const inWindow = (ns: bigint, window: TimeWindow): boolean => window.start <= ns && ns <= window.end;

/** Whether two periods share an instant; ends included. */
export const windowsOverlap = (a: TimeWindow, b: TimeWindow): boolean => a.start <= b.end && b.start <= a.end;
