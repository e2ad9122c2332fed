/** What the response files of EDDS hold, one element after another. */

export type ResponseKind = 'raw' | 'tc-report' | 'param';

/** One SCOS-2000 record of a PktRawResponse. */
export interface RawElement {
  readonly kind: 'raw';
  /** The attribute `packetID` as written; null when a home-made file lacks it. */
  readonly packetId: string | null;
  readonly bytes: Uint8Array;
}

export interface CustomField {
  readonly name: string;
  readonly type: string | null;
  readonly value: string;
}

/** One command of a PktTcReportResponse. Names may repeat between commands: there is no key. */
export interface TcReportElement {
  readonly kind: 'tc-report';
  /** The simple children by name; of a repeated one the first. */
  readonly fields: Readonly<Record<string, string>>;
  readonly customFields: readonly CustomField[];
  /** In their order; names repeat inside one command. */
  readonly parameters: readonly Readonly<Record<string, string>>[];
  /** The whole command packet with its checksum; null when absent, empty or not hex. */
  readonly rawBody: Uint8Array | null;
}

/** One sample of a ParamResponse, by field name. */
export interface ParamElement {
  readonly kind: 'param';
  readonly fields: Readonly<Record<string, string>>;
}

export type ResponseElement = RawElement | TcReportElement | ParamElement;

export interface ResponseProblem {
  /** xml: not well-formed, reading ended there; element: this element is left out; field: kept, but a value of it is not usable. */
  readonly kind: 'xml' | 'element' | 'field';
  readonly reason: string;
  /** Characters from the start of the document, line and column from 1. */
  readonly position: number;
  readonly line: number;
  /** Ordinal of the element concerned, from 1; 0 outside of elements. */
  readonly element: number;
}

/** Simple children of a command, in the order of originals, up to where CustomField follows. */
export const TC_FIELDS: readonly string[] = [
  'CommandName',
  'Domain',
  'Source',
  'Description',
  'SequenceName',
  'ReleaseTime',
  'UplinkTime',
  'ExecutionTime',
  'SubSystemId',
  'SubScheduleId',
  'PUSServiceType',
  'PUSSubServiceType',
  'Apid',
  'Pid',
  'Vcid',
  'Category',
  'GroundStationID',
  'SSC',
  'DBVersion',
  'UplinkMode',
  'StaticPtvCheckState',
  'DynamicPtvCheckState',
  'CevCheckState',
  'isInGroup',
  'isGroupEnd',
  'isInBlock',
  'isBlockEnd',
  'InterlockType',
  'InterlockStageType',
  'SrcType',
  'FrameCount',
  'TransmissionCount',
  'ReleaseState',
  'GroundState',
  'UplinkState',
  'OnBoardState',
  'OnBoardAccState',
  'OnBoardAccPBState',
  'ExecStartRTState',
  'ExecStartPBState',
  'ExecStep1RTState',
  'ExecStep1PBState',
  'ExecStep2RTState',
  'ExecStep2PBState',
  'ExecCompState',
  'ExecCompPBState',
  'TtObqStatus',
  'TtDelStatus',
  'TtLoadStatus',
];

/** Children of a command parameter, in the order of originals. */
export const TC_PARAMETER_FIELDS: readonly string[] = [
  'ParameterName',
  'ParameterDescription',
  'ParameterUnit',
  'ParamType',
  'ParamRep',
  'FixEdit',
  'HasChanged',
  'Radix',
  'IsEditable',
  'ManuallyEdited',
  'ParamValue',
];

/** Children of a parameter sample; their order in originals is not known. */
export const PARAM_FIELDS: readonly string[] = [
  'Name',
  'TimeStampAsciiA',
  'Unit',
  'Description',
  'EngineeringValue',
  'RawValue',
  'Validity',
];
