/** One kind of telemetry packet: what a catalogue entry describes. */
export interface PacketKind {
  readonly name: string;
  readonly description: string;
  readonly apid: number;
  readonly service: number;
  readonly subservice: number;
  readonly spid: number;
  readonly virtualChannel: number;
  /** Bytes of the space packet. */
  readonly length: number;
  /** Microseconds from filing to creation: minutes for live data, hours for dumps. */
  readonly delay: number;
}

const MINUTE = 60_000_000;
const DUMP = 120 * MINUTE;

export const PACKET_KINDS: readonly PacketKind[] = [
  {
    name: 'YIX00325',
    description: 'Instrument housekeeping',
    apid: 1444,
    service: 3,
    subservice: 25,
    spid: 54_102,
    virtualChannel: 1,
    length: 109,
    delay: MINUTE,
  },
  {
    name: 'YPL00325',
    description: 'Platform housekeeping',
    apid: 1420,
    service: 3,
    subservice: 25,
    spid: 54_001,
    virtualChannel: 0,
    length: 87,
    delay: MINUTE,
  },
  {
    name: 'YPL00501',
    description: 'Normal progress event',
    apid: 1436,
    service: 5,
    subservice: 1,
    spid: 54_200,
    virtualChannel: 0,
    length: 40,
    delay: MINUTE,
  },
  {
    name: 'YPL00107',
    description: 'Command execution report',
    apid: 1452,
    service: 1,
    subservice: 7,
    spid: 54_300,
    virtualChannel: 0,
    length: 28,
    delay: MINUTE,
  },
  {
    name: 'YIX02103',
    description: 'Science data, dumped',
    apid: 1460,
    service: 21,
    subservice: 3,
    spid: 54_400,
    virtualChannel: 1,
    length: 400,
    delay: DUMP,
  },
];

/** Which kind each packet of a cycle is: counters per APID follow from it without looking back. */
export const CYCLE: readonly number[] = [0, 1, 0, 4, 1, 0, 2, 0, 1, 3, 0, 4, 1, 0, 2, 0, 1, 3, 0, 4];

/** Longest delay between filing and creation, microseconds. */
export const MAX_DELAY = Math.max(...PACKET_KINDS.map(({ delay }) => delay));

const SHARE = PACKET_KINDS.map((_, kind) => CYCLE.filter((one) => one === kind).length);
const RANK = CYCLE.map((kind, slot) => CYCLE.slice(0, slot).filter((one) => one === kind).length);

/** How many packets of the same kind come before packet `index`. */
export function ordinalOfKind(index: number): number {
  const slot = index % CYCLE.length;
  return Math.floor(index / CYCLE.length) * SHARE[CYCLE[slot]!]! + RANK[slot]!;
}
