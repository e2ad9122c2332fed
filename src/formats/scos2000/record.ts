import { decodePrimaryHeader, PRIMARY_HEADER_LENGTH } from '../space-packet/index.js';
import { decodeHeader, headerLength, type ScosHeader } from './header.js';

/** A filed record: header, and behind it a space packet (TM) or the variable part of a command record (TC). */
export interface ScosRecord {
  readonly header: ScosHeader;
  /** TM: the CCSDS space packet; TC: `variableSize` bytes of verification stages and parameters, never the packet. */
  readonly content: Uint8Array;
  /** Where the record contradicts itself; it can be used all the same. */
  readonly problems: readonly string[];
}

/** Takes a record apart; ScosError when it is none. Home-made records with zeroed sizes are accepted, and said to be so. */
export function decodeRecord(bytes: Uint8Array): ScosRecord {
  const header = decodeHeader(bytes);
  const content = bytes.subarray(headerLength(bytes));
  const problems: string[] = [];
  if (header.size !== bytes.length)
    problems.push(`the header says ${header.size} bytes, the record has ${bytes.length}`);
  if (header.type === 'TC') {
    if (header.variableSize !== content.length) {
      problems.push(`the header says ${header.variableSize} bytes follow, there are ${content.length}`);
    }
  } else if (content.length < PRIMARY_HEADER_LENGTH + 1) {
    problems.push(`${content.length} bytes are no space packet`);
  } else {
    const packet = decodePrimaryHeader(content);
    if (packet.version !== 0) problems.push(`packet version number is ${packet.version}, not 0`);
    if (packet.dataLength + PRIMARY_HEADER_LENGTH !== content.length) {
      problems.push(`the packet says ${packet.dataLength + PRIMARY_HEADER_LENGTH} bytes, there are ${content.length}`);
    }
    if (packet.apid !== header.apid || packet.sequenceCount !== header.ssc) {
      problems.push(
        `the header says APID ${header.apid} count ${header.ssc}, the packet APID ${packet.apid} count ${packet.sequenceCount}`,
      );
    }
  }
  return { header, content, problems };
}
