/** CRC-16 of CCSDS packets and frames: polynomial 0x1021, start 0xFFFF, no reflection, no final exclusive-or. */

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 8;
  for (let bit = 0; bit < 8; bit++) value = value & 0x8000 ? (value << 1) ^ 0x1021 : value << 1;
  return value & 0xffff;
});

export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffff;
  for (let index = start; index < end; index++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ bytes[index]!]!;
  }
  return crc;
}

/** True when the last two bytes are the CRC of all before them (the residue is then 0). */
export function crc16Holds(bytes: Uint8Array): boolean {
  return bytes.length > 2 && crc16(bytes) === 0;
}
