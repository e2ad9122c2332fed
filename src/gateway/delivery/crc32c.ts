/** CRC-32C (Castagnoli, reflected 0x82F63B78), as object stores use it. */

const TABLES = makeTables();

/** Continues `crc` (0 at first) over more bytes. */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
  let state = ~crc;
  let i = 0;
  for (; i + 8 <= bytes.length; i += 8) {
    state =
      t7![(state ^ bytes[i]!) & 255]! ^
      t6![((state >>> 8) ^ bytes[i + 1]!) & 255]! ^
      t5![((state >>> 16) ^ bytes[i + 2]!) & 255]! ^
      t4![((state >>> 24) ^ bytes[i + 3]!) & 255]! ^
      t3![bytes[i + 4]!]! ^
      t2![bytes[i + 5]!]! ^
      t1![bytes[i + 6]!]! ^
      t0![bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) state = t0![(state ^ bytes[i]!) & 255]! ^ (state >>> 8);
  return ~state >>> 0;
}

function makeTables(): readonly Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    tables[0]![byte] = value;
  }
  for (let byte = 0; byte < 256; byte++)
    for (let k = 1; k < 8; k++) {
      const before = tables[k - 1]![byte]!;
      tables[k]![byte] = tables[0]![before & 255]! ^ (before >>> 8);
    }
  return tables;
}
