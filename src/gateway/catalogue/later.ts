/** An iterable that is begun when the first of it is asked for; from then on it is the other one itself, without a layer between. */
export function later<T>(begin: () => Promise<AsyncIterable<T>>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      let begun: Promise<AsyncIterator<T>> | undefined;
      let inner: AsyncIterator<T> | undefined;
      const first = async (): Promise<IteratorResult<T>> => {
        begun ??= begin().then((iterable) => iterable[Symbol.asyncIterator]());
        inner = await begun;
        return inner.next();
      };
      return {
        next: () => inner?.next() ?? first(),
        async return() {
          const begunOne = await begun?.catch(() => undefined);
          await begunOne?.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
