/**
 * What parts hold, one after another, asked for one at a time: within a part a step costs a settled promise, not the turns that a
 * generator takes. The parts are ended with it, also when a part throws.
 */
export function inParts<T>(parts: AsyncGenerator<Iterator<T>, void, undefined>): AsyncIterableIterator<T, undefined> {
  let part: Iterator<T> | undefined;
  const end = async (): Promise<IteratorReturnResult<undefined>> => {
    part = undefined;
    await parts.return();
    return { done: true, value: undefined };
  };
  const fail = async (error: unknown): Promise<never> => {
    await end();
    throw error;
  };
  const within = (): IteratorResult<T> | undefined => {
    const step = part?.next();
    return step?.done === true ? undefined : step;
  };
  const fromNext = async (): Promise<IteratorResult<T, undefined>> => {
    for (;;) {
      const found = await parts.next();
      if (found.done === true) return end();
      part = found.value;
      try {
        const step = within();
        if (step !== undefined) return step as IteratorYieldResult<T>;
      } catch (error) {
        return fail(error);
      }
    }
  };
  return {
    next() {
      try {
        const step = within();
        return step === undefined ? fromNext() : Promise.resolve(step as IteratorYieldResult<T>);
      } catch (error) {
        return fail(error);
      }
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
