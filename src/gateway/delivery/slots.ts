/** Who may run, by target: at most so many in all and so many a target, in turn, however long the others' backlogs are. */
export interface Slots<Item> {
  /** How many more rows it is worth taking from the store now. */
  room(): number;
  /** Shares the room out among targets, one each in turn; `limit` is how many of one target may run. */
  share(
    targets: readonly string[],
    limit: (target: string) => number,
  ): readonly { readonly target: string; readonly n: number }[];
  wait(target: string, item: Item): void;
  /** The next that may run, which then counts as running; null when there is none. */
  take(limit: (target: string) => number): Item | null;
  done(target: string, ms: number): void;
  running(): number;
  /** Takes out everything that waits. */
  drain(): readonly Item[];
}

/** Where deliveries take no longer than this on average, rows are taken ahead of time. */
const QUICK_MS = 150;
const AHEAD = 8;

interface Lane<Item> {
  running: number;
  /** Moving average, ms. */
  average: number;
  readonly waiting: Item[];
}

export function createSlots<Item>(workers: number, perTarget: number): Slots<Item> {
  const lanes = new Map<string, Lane<Item>>();
  let running = 0;
  let waiting = 0;
  let turn = 0;

  const lane = (target: string): Lane<Item> => {
    let found = lanes.get(target);
    if (found === undefined) {
      found = { running: 0, average: QUICK_MS * 2, waiting: [] };
      lanes.set(target, found);
    }
    return found;
  };
  const ahead = ({ average }: Lane<Item>): number => (average <= QUICK_MS ? perTarget * AHEAD : 0);
  const rotated = <T>(items: readonly T[]): readonly T[] => {
    if (items.length === 0) return items;
    const start = turn++ % items.length;
    return [...items.slice(start), ...items.slice(0, start)];
  };

  return {
    room() {
      const quick = [...lanes.values()].some((each) => ahead(each) > 0 && each.waiting.length < ahead(each) / 2);
      return Math.max(workers - running - waiting, quick ? 1 : 0);
    },
    share(targets, limit) {
      const shares = new Map<string, number>();
      let free = workers - running - waiting;
      const order = rotated(targets);
      for (let given = true; given && free > 0; ) {
        given = false;
        for (const target of order) {
          const { running: runs, waiting: waits } = lane(target);
          const share = shares.get(target) ?? 0;
          if (free <= 0 || runs + waits.length + share >= limit(target)) continue;
          shares.set(target, share + 1);
          free--;
          given = true;
        }
      }
      for (const target of order) {
        const each = lane(target);
        const spare = limit(target) < perTarget ? 0 : ahead(each) - each.waiting.length;
        if (spare > 0 && spare >= ahead(each) / 2) shares.set(target, (shares.get(target) ?? 0) + spare);
      }
      return [...shares].map(([target, n]) => ({ target, n }));
    },
    wait(target, item) {
      lane(target).waiting.push(item);
      waiting++;
    },
    take(limit) {
      if (running >= workers || waiting === 0) return null;
      for (const [target, each] of rotated([...lanes])) {
        if (each.waiting.length === 0 || each.running >= limit(target)) continue;
        each.running++;
        running++;
        waiting--;
        return each.waiting.shift()!;
      }
      return null;
    },
    done(target, ms) {
      const each = lane(target);
      each.running--;
      running--;
      each.average += (ms - each.average) * 0.2;
      if (each.running === 0 && each.waiting.length === 0 && lanes.size > 1000) lanes.delete(target);
    },
    running: () => running,
    drain() {
      const items = [...lanes.values()].flatMap((each) => each.waiting.splice(0));
      waiting = 0;
      return items;
    },
  };
}
