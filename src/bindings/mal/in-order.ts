/**
 * Prepares several items at a time and yields what became of them in their order, each as soon as it and all before it are
 * ready. Preparations start in order. The first failure ends the iteration; what was prepared for nothing goes to `discard`.
 */
export async function* inOrder<T, R>(
  source: AsyncIterable<T> | Iterable<T>,
  width: number,
  prepare: (item: T) => Promise<R>,
  discard: (result: R) => void = () => {},
): AsyncGenerator<R, void> {
  const line: Promise<R>[] = [];
  let wake = (): void => {};
  let room = (): void => {};
  let over = false;
  let failure: { readonly error: unknown } | null = null;
  const pump = (async () => {
    for await (const item of source) {
      while (line.length >= width && !over) await new Promise<void>((resolve) => (room = resolve));
      if (over) return;
      const result = prepare(item);
      result.catch(() => {});
      line.push(result);
      wake();
    }
  })()
    .catch((error: unknown) => {
      failure = { error };
    })
    .finally(() => {
      over = true;
      wake();
    });
  try {
    for (;;) {
      const first = line[0];
      if (first !== undefined) {
        const result = await first;
        line.shift();
        room();
        yield result;
      } else if (over) {
        if (failure !== null) throw (failure as { readonly error: unknown }).error;
        return;
      } else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    over = true;
    room();
    void pump;
    for (const left of line) left.then(discard, () => {});
  }
}
