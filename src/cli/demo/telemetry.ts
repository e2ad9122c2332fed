import { CDS_16_32_16, encodeTimeCode, packetWriter } from '../../formats/space-packet/index.js';

/** One file of telemetry as a ground station would have filed it. */
export interface TelemetryFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly packets: number;
}

const APIDS = [100, 101, 220] as const;
const PACKETS_PER_FILE = 120;
const SPACING_NS = 8_000_000n;
/** Every so many files one packet is lost on the way, so that there is a gap to look at. */
const LOSSY_EVERY = 10;

/** Makes files of CCSDS telemetry packets (CDS time, 16 slowly changing values, CRC) whose sequence counts run on from file to file. */
export function telemetryFiles(): (start: bigint) => TelemetryFile {
  const writer = packetWriter({ crc: true });
  let serial = 0;
  return (start) => {
    serial++;
    const packets: Uint8Array[] = [];
    for (let index = 0; index < PACKETS_PER_FILE; index++) {
      const time = start + BigInt(index) * SPACING_NS;
      const packet = writer.packet({
        type: 'TM',
        apid: APIDS[index % APIDS.length]!,
        secondaryHeader: true,
        data: data(time, index),
      });
      const isLost = serial % LOSSY_EVERY === 0 && index === PACKETS_PER_FILE / 2;
      if (!isLost) packets.push(packet);
    }
    const stamp = new Date(Number(start / 1_000_000n)).toISOString();
    const name = `TM_${stamp.slice(0, 19).replace(/[-:]/g, '')}_${String(serial).padStart(5, '0')}.ccsds`;
    return { name, bytes: Buffer.concat(packets), packets: packets.length };
  };
}

/** CDS time, then 16 values: temperatures, currents and wheel speeds that swing with the orbit. */
function data(time: bigint, index: number): Uint8Array {
  const stamp = encodeTimeCode(CDS_16_32_16, time);
  const values = Buffer.alloc(16 * 4);
  const orbit = (Number(time / 1_000_000n) / 1000 / 5_400) * 2 * Math.PI;
  for (let channel = 0; channel < 16; channel++)
    values.writeFloatBE(20 + 15 * Math.sin(orbit + channel / 3) + Math.sin(index + channel) / 10, channel * 4);
  return Buffer.concat([stamp, values]);
}
