import { decodePrimaryHeader, PRIMARY_HEADER_LENGTH } from '../space-packet/index.js';

/**
 * The hex text of EDDS: one line of digits. A byte 00, then per packet a one-byte counter from 0 (wrapping at 256), a
 * four-byte length counted in hex digits, and the bare space packet, without the SCOS-2000 header.
 */

export interface HexProblem {
  readonly reason: string;
  /** Characters from the start. */
  readonly position: number;
}

/** Longest packet, in digits. */
const MAX_DIGITS = 2 * 65_542;
const HEAD_DIGITS = 10;

/** Packets of a hex stream, white space passed over. What is wrong ends the reading, with its place; a jump of the counter does not. */
export async function* readHexPackets(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  onProblem: (problem: HexProblem) => void = () => {},
): AsyncGenerator<Uint8Array> {
  let held = '';
  let position = 0;
  let started = false;
  let counter = 0;
  for await (const chunk of source) {
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
    const strange = /[^0-9a-fA-F\s]/.exec(text);
    held += (strange === null ? text : text.slice(0, strange.index)).replace(/\s+/g, '');
    let at = 0;
    if (!started && held.length >= 2) {
      if (held.slice(0, 2) !== '00') {
        onProblem({ reason: 'a hex file starts with 00', position });
        return;
      }
      started = true;
      at = 2;
    }
    while (started && held.length - at >= HEAD_DIGITS) {
      const digits = Number.parseInt(held.slice(at + 2, at + HEAD_DIGITS), 16);
      if (digits % 2 !== 0 || digits > MAX_DIGITS || digits < 2 * (PRIMARY_HEADER_LENGTH + 1)) {
        onProblem({ reason: `${digits} hex digits are no packet`, position: position + at + 2 });
        return;
      }
      const end = at + HEAD_DIGITS + digits;
      if (held.length < end) break;
      const found = Number.parseInt(held.slice(at, at + 2), 16);
      if (found !== counter)
        onProblem({ reason: `packet counter is ${found}, not ${counter}`, position: position + at });
      counter = (found + 1) % 256;
      const packet = Buffer.from(held.slice(at + HEAD_DIGITS, end), 'hex');
      const length = decodePrimaryHeader(packet).dataLength + PRIMARY_HEADER_LENGTH;
      if (length !== packet.length) {
        onProblem({ reason: `the packet says ${length} bytes, ${packet.length} are given`, position: position + at });
      }
      yield packet;
      at = end;
    }
    position += at;
    held = held.slice(at);
    if (strange !== null) {
      onProblem({ reason: `${JSON.stringify(strange[0])} is no hex digit`, position: position + held.length });
      return;
    }
  }
  if (!started) onProblem({ reason: 'the file is empty', position: 0 });
  else if (held.length > 0) onProblem({ reason: 'the file ends within a packet', position });
}

/** The hex text of packets, in chunks of about 64 KiB. */
export async function* writeHexPackets(
  packets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let held = '00';
  let counter = 0;
  for await (const packet of packets) {
    const digits = (packet.length * 2).toString(16).padStart(8, '0');
    const hex = Buffer.from(packet.buffer, packet.byteOffset, packet.length).toString('hex');
    held += counter.toString(16).padStart(2, '0') + digits + hex;
    counter = (counter + 1) % 256;
    if (held.length >= 65_536) {
      yield Buffer.from(held, 'latin1');
      held = '';
    }
  }
  yield Buffer.from(held, 'latin1');
}
