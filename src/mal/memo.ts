/** Remembers what `make` gave for the last keys, about `most` of them: for few keys that come many times. */
export function memo<K, V extends NonNullable<unknown> | null>(most: number, make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  let last: { readonly key: K; readonly value: V } | undefined;
  return (key) => {
    if (last?.key === key) return last.value;
    let value = made.get(key);
    if (value === undefined) {
      value = make(key);
      if (made.size >= most) made.clear();
      made.set(key, value);
    }
    last = { key, value };
    return value;
  };
}
