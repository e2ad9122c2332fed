import type { Registered } from './subscription.js';

/** Subscriptions of one operation, found by the values of an update's keys without looking at the others. */
export class KeyIndex<P> {
  private readonly everything = new Set<Registered<P>>();
  private readonly byValue = new Map<string, Set<Registered<P>>>();

  add(subscription: Registered<P>): void {
    for (const bucket of this.buckets(subscription, true)) bucket.add(subscription);
  }

  remove(subscription: Registered<P>): void {
    for (const bucket of this.buckets(subscription, false)) bucket.delete(subscription);
    for (const value of valuesOf(subscription)) if (this.byValue.get(value)?.size === 0) this.byValue.delete(value);
  }

  get empty(): boolean {
    return this.everything.size === 0 && this.byValue.size === 0;
  }

  /** All that can match, and some that do not. */
  *candidates(keys: readonly (string | null)[]): Iterable<Registered<P>> {
    yield* this.everything;
    for (const [at, key] of keys.entries()) yield* this.byValue.get(`${at} ${key}`) ?? [];
  }

  private buckets(subscription: Registered<P>, create: boolean): Set<Registered<P>>[] {
    if (subscription.conditions.size === 0) return [this.everything];
    return valuesOf(subscription).flatMap((value) => {
      const bucket = this.byValue.get(value);
      if (bucket !== undefined) return [bucket];
      if (!create) return [];
      const created = new Set<Registered<P>>();
      this.byValue.set(value, created);
      return [created];
    });
  }
}

/** A subscription stands under the values of its last condition: an order's id rather than its user. */
function valuesOf(subscription: Registered<unknown>): string[] {
  const last = Math.max(...subscription.conditions.keys());
  return [...(subscription.conditions.get(last) ?? [])].map((value) => `${last} ${value}`);
}
