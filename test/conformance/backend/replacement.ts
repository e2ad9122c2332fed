import { expect } from 'vitest';
import { MpdError } from '../../../src/mpd/index.js';
import type { Changing } from './changing.js';
import type { Rules } from './fixture.js';
import { bytesOf, collect, listedWith, open, readWhile, SECOND, T0 } from './reading.js';

/** What becomes of a body when its product changes, or nobody wants it any more, while it is read. */
export function replacementRules(held: Changing, { key, patience, unless }: Rules): void {
  unless('large', 'replace')('never mixes two contents when a product is replaced while it is read', async () => {
    const [old, fresh] = [bytesOf(5, 6_000_000), bytesOf(6, 6_000_000)];
    await held.system.put(key(30), old, { created: T0 });
    const entry = await listedWith(held.backend, key(30), old, patience);
    const outcome = await readWhile(held.backend, entry, () =>
      held.system.put(key(30), fresh, { created: T0 + SECOND }),
    );
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(MpdError);
    else expect(Buffer.compare(outcome, old)).toBe(0);
    const now = await listedWith(held.backend, key(30), fresh, patience);
    expect(Buffer.compare(await collect((await open(held.backend, now)).stream), fresh)).toBe(0);
  });

  unless('large', 'remove')('ends well or with an error when a product is removed while it is read', async () => {
    const content = bytesOf(7, 6_000_000);
    await held.system.put(key(31), content, { created: T0 });
    const entry = await listedWith(held.backend, key(31), content, patience);
    const outcome = await readWhile(held.backend, entry, () => held.system.remove(key(31)));
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(MpdError);
    else expect(Buffer.compare(outcome, content)).toBe(0);
  });

  unless('large')('stops reading when the signal aborts', async () => {
    const content = bytesOf(8, 6_000_000);
    await held.system.put(key(32), content, { created: T0 });
    const entry = await listedWith(held.backend, key(32), content, patience);
    const control = new AbortController();
    const body = await open(held.backend, entry, { signal: control.signal });
    const reading = (async () => {
      for await (const _ of body.stream) control.abort();
    })();
    await expect(reading).rejects.toThrow();
  });
}
