import type { TcReportElement } from '../../../src/formats/edds-response/index.js';
import { encodeHeader, TC_HEADER_LENGTH } from '../../../src/formats/scos2000/index.js';
import { encodePacket } from '../../../src/formats/space-packet/index.js';
import { formatMicros } from '../../../src/formats/time.js';
import { fillRandom, hash32 } from './random.js';

export interface CommandKind {
  readonly name: string;
  readonly description: string;
  readonly apid: number;
  readonly service: number;
  readonly subservice: number;
}

export const COMMAND_KINDS: readonly CommandKind[] = [
  { name: 'ZIX0602A', description: 'STIX Load Memory', apid: 1452, service: 6, subservice: 2 },
  { name: 'ZPL00801', description: 'Perform function', apid: 1420, service: 8, subservice: 1 },
  { name: 'ZPL01704', description: 'Connection test', apid: 1420, service: 17, subservice: 1 },
];

export interface CommandOptions {
  readonly seed: number;
  readonly domain: string;
  readonly spacecraftId: number;
  /** Execution time of command 0, microseconds since 1970. */
  readonly begin: number;
  readonly interval: number;
}

/** Release comes this long before execution, microseconds. */
const LEAD = 538_508_922;

/** An endless command history, each command computed from its index alone; every 40th is a repetition of the one before. */
export function commands(options: CommandOptions) {
  const { seed, begin, interval } = options;
  const origin = (index: number): number => (index % 40 === 39 ? index - 1 : index);
  const execution = (index: number): number => {
    const of = origin(index);
    return begin + of * interval + (hash32(seed + 1, of) % Math.max(1, Math.floor(interval / 2)));
  };
  const kindOf = (index: number): CommandKind => COMMAND_KINDS[hash32(seed + 2, origin(index)) % COMMAND_KINDS.length]!;

  /** First index whose execution time is not before `time` (microseconds). */
  const firstFrom = (time: number): number => {
    let index = Math.max(0, Math.floor((time - begin) / interval) - 2);
    while (execution(index) < time) index++;
    return index;
  };

  const body = (index: number): Uint8Array => {
    const kind = kindOf(index);
    const data = new Uint8Array(24);
    data.set([0x19, kind.service, kind.subservice, 6]);
    fillRandom(data, 4, seed + 3, origin(index));
    return encodePacket({
      type: 'TC',
      apid: kind.apid,
      sequenceCount: origin(index) % 16_384,
      data,
      secondaryHeader: true,
      crc: true,
    });
  };

  const report = (index: number, frameCount = '0'): TcReportElement => {
    const kind = kindOf(index);
    const time = (micros: number): string => `${formatMicros(BigInt(micros) * 1000n)}Z`;
    const repeated = index % 40 === 39;
    const packet = body(index);
    return {
      kind: 'tc-report',
      fields: {
        CommandName: kind.name,
        Domain: options.domain,
        Source: 'onboard',
        Description: kind.description,
        SequenceName: '',
        ReleaseTime: time(execution(index) - LEAD),
        UplinkTime: time(0),
        ExecutionTime: time(execution(index)),
        SubSystemId: 'STIX (105)',
        SubScheduleId: '105',
        PUSServiceType: String(kind.service),
        PUSSubServiceType: String(kind.subservice),
        Apid: String(kind.apid),
        Pid: String(kind.apid >> 4),
        Vcid: '1',
        Category: String(kind.apid & 15),
        GroundStationID: '24',
        SSC: String(origin(index) % 16_384),
        DBVersion: '13620.651',
        UplinkMode: 'AD',
        StaticPtvCheckState: 'CHECK_ENABLED',
        DynamicPtvCheckState: 'CHECK_ENABLED',
        CevCheckState: 'CHECK_ENABLED',
        isInGroup: 'false',
        isGroupEnd: 'false',
        isInBlock: 'false',
        isBlockEnd: 'false',
        InterlockType: 'IL_NONE',
        InterlockStageType: 'MCS_RELEASE',
        SrcType: 'UPLINK_STACK',
        FrameCount: frameCount,
        TransmissionCount: '0',
        ReleaseState: 'PASSED',
        GroundState: 'PASSED',
        UplinkState: 'PASSED',
        OnBoardState: 'PASSED',
        OnBoardAccState: 'PASSED',
        OnBoardAccPBState: 'UNKNOWN',
        ExecStartRTState: 'NOT_APPLICABLE',
        ExecStartPBState: 'NOT_APPLICABLE',
        ExecStep1RTState: 'NOT_APPLICABLE',
        ExecStep1PBState: 'NOT_APPLICABLE',
        ExecStep2RTState: 'NOT_APPLICABLE',
        ExecStep2PBState: 'NOT_APPLICABLE',
        ExecCompState: repeated ? 'UNVERIFIED' : 'PASSED',
        ExecCompPBState: 'UNKNOWN',
        TtObqStatus: repeated ? 'TT_DELETED' : 'TT_UNKNOWN',
      },
      customFields: [
        { name: 'isForcedSubScheduleId', type: 'Byte', value: '0' },
        {
          name: 'uniqueID',
          type: 'String',
          value: `SSTX${hash32(seed + 4, origin(index))
            .toString(16)
            .padStart(16, '0')}`,
        },
        { name: 's13ObFileId', type: 'String', value: String(51_820_000 + (origin(index) % 1000)) },
        { name: 's13ObFileAttribute', type: 'String', value: 'TC_DELAYED' },
        { name: 's13TotalEncaps', type: 'Short', value: '1031' },
      ],
      parameters: [
        parameter('PIX00003', 'MID', 'Char String', 'Eng', 'RED_SDRAM'),
        parameter('PIX00058', 'Data 8 bits', 'Unsigned Int', 'Raw', String(packet[10])),
        parameter('PIX00058', 'Data 8 bits', 'Unsigned Int', 'Raw', String(packet[11])),
      ],
      rawBody: packet,
    };
  };

  /** The history record of the control system: header and verification stages, not the packet itself. */
  const record = (index: number): Uint8Array => {
    const kind = kindOf(index);
    const variable = new Uint8Array(96);
    fillRandom(variable, 0, seed + 5, origin(index));
    const executed = BigInt(execution(index)) * 1000n;
    const released = executed - BigInt(LEAD) * 1000n;
    const header = encodeHeader({
      type: 'TC',
      access: 1,
      simulated: 0,
      filingTime: released,
      creationTime: executed,
      createId: 105_047,
      spacecraftId: options.spacecraftId,
      groundStation: 202,
      size: TC_HEADER_LENGTH + variable.length,
      version: 8,
      filing: true,
      distribution: true,
      timePolicy: 0,
      quality: 0,
      stream: 1,
      sequence: index,
      spid: 100,
      retrievalKeys: [0, 0],
      missionId: options.spacecraftId,
      context: 0,
      domain: 0,
      databaseRelease: 13_620,
      databaseIssue: 651,
      uplinkTime: 0n,
      executionTime: executed,
      lastUpdateTime: executed,
      requestId: index,
      elementIndex: origin(index) % 16_384,
      variableSize: variable.length,
      apid: kind.apid,
      ssc: origin(index) % 16_384,
      service: kind.service,
      subservice: kind.subservice,
      ackFlags: 9,
      uplinkFlag: 0,
      sourceHost: 99,
      sourceType: 6,
      fixedDetailSize: 352,
    });
    return Buffer.concat([header, variable]);
  };

  return { execution, release: (index: number) => execution(index) - LEAD, kindOf, firstFrom, report, record };
}

export type Commands = ReturnType<typeof commands>;

function parameter(
  name: string,
  description: string,
  type: string,
  rep: string,
  value: string,
): Record<string, string> {
  return {
    ParameterName: name,
    ParameterDescription: description,
    ParameterUnit: '',
    ParamType: type,
    ParamRep: rep,
    FixEdit: 'true',
    HasChanged: 'false',
    Radix: 'Dec',
    IsEditable: 'true',
    ManuallyEdited: 'false',
    ParamValue: value,
  };
}
