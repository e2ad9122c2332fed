/** Remembers what `make` gave for the last keys, at most `most` of them: for few keys that come many times. */
export function memo<K, V extends NonNullable<unknown> | null>(most: number, make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    if (made.size >= most) made.clear();
    made.set(key, value);
    return value;
  };
}
