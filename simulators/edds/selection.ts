import type { ResponseElement, ResponseKind } from '../../src/formats/edds-response/index.js';
import type { Archive } from './archive/index.js';
import { MAX_DELAY } from './archive/kinds.js';
import type { Switches } from './control.js';
import { EddsFault, invalid } from './fault.js';
import type { Values } from './values.js';

export const BATCH_TYPES = ['PktTmRaw', 'PktTcReport', 'PktTcRaw', 'Param', 'File'] as const;
export type DataType = (typeof BATCH_TYPES)[number] | 'PktTmStream';

export const RESPONSE_KIND: Readonly<Record<Exclude<DataType, 'File'>, ResponseKind>> = {
  PktTmRaw: 'raw',
  PktTmStream: 'raw',
  PktTcRaw: 'raw',
  PktTcReport: 'tc-report',
  Param: 'param',
};

/** Filter fields that make sense for a type. */
const FILTERABLE: Readonly<Record<DataType, readonly string[]>> = {
  PktTmRaw: ['Spid', 'Apid', 'ServiceType', 'ServiceSubType'],
  PktTmStream: ['Spid', 'Apid', 'ServiceType', 'ServiceSubType'],
  PktTcRaw: ['Apid', 'ServiceType', 'ServiceSubType', 'CommandName'],
  PktTcReport: ['Apid', 'ServiceType', 'ServiceSubType', 'CommandName'],
  Param: ['ParameterName'],
  File: ['FileName'],
};

export interface Selection {
  readonly type: DataType;
  readonly filter: Values | null;
  /** [begin, end), microseconds since 1970. */
  readonly begin: number;
  readonly end: number;
  readonly axis: 'filing' | 'creation';
  /** What was created after this is not there yet, microseconds. */
  readonly visibleTo: number;
}

/** INVALID_REQUEST when a field of the filter makes no sense for the type. */
export function checkFilter(type: DataType, filter: Values | null): void {
  for (const [name, values] of Object.entries(filter ?? {})) {
    if ((values as readonly unknown[]).length > 0 && !FILTERABLE[type].includes(name)) {
      throw invalid(`${name} does not filter ${type}`);
    }
  }
}

/** How many elements could be selected at most, without looking at each. */
export function selectionBound(archive: Archive, selection: Selection): number {
  const { description } = archive;
  const interval =
    selection.type === 'Param'
      ? description.sampleInterval
      : selection.type === 'PktTcReport' || selection.type === 'PktTcRaw'
        ? description.commandInterval
        : description.packetInterval;
  const end = Math.min(selection.end, archiveEnd(archive, selection));
  const begin = Math.max(selection.begin, description.begin * 1000);
  return Math.max(0, Math.ceil((end - begin) / interval));
}

/** The selected elements in time order. Long series give way to other work now and then. */
export async function* select(
  archive: Archive,
  selection: Selection,
  switches: Switches,
): AsyncGenerator<ResponseElement> {
  const source = selection.type === 'Param' ? samples : selection.type.startsWith('PktTm') ? packets : history;
  let pending: ResponseElement | null = null;
  let count = 0;
  for (const element of source(archive, selection, switches)) {
    if (++count % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    const swap: boolean = switches.outOfOrder && count % 2 === 1;
    if (swap) pending = element;
    else {
      yield element;
      if (pending !== null) yield pending;
      pending = null;
    }
  }
  if (pending !== null) yield pending;
}

/** Time of the newest data there can be, microseconds. */
function archiveEnd(archive: Archive, selection: Selection): number {
  const { end } = archive.description;
  return end === null ? selection.visibleTo : Math.min(end * 1000, selection.visibleTo);
}

function* packets(archive: Archive, selection: Selection, switches: Switches): Generator<ResponseElement> {
  const { telemetry } = archive;
  const byCreation = selection.axis === 'creation';
  const last = archive.description.end === null ? Number.POSITIVE_INFINITY : archive.description.end * 1000;
  const matches = matcher(selection.filter);
  const stop = Math.min(selection.end, last);
  let given = 0;
  for (let index = telemetry.firstFrom(byCreation ? selection.begin - MAX_DELAY : selection.begin); ; index++) {
    const filing = telemetry.filing(index);
    if (filing >= stop || filing > selection.visibleTo) return;
    const kind = telemetry.kindOf(index);
    const creation = filing + kind.delay;
    if (creation > selection.visibleTo) continue;
    if (byCreation && (creation < selection.begin || creation >= selection.end)) continue;
    if (!matches({ Spid: kind.spid, Apid: kind.apid, ServiceType: kind.service, ServiceSubType: kind.subservice }))
      continue;
    const empty = switches.emptyPacket && ++given % 10 === 0;
    yield { kind: 'raw', packetId: null, bytes: empty ? new Uint8Array(0) : telemetry.record(index) };
  }
}

function* history(archive: Archive, selection: Selection, switches: Switches): Generator<ResponseElement> {
  const { commands } = archive;
  const report = selection.type === 'PktTcReport';
  const byFiling = !report && selection.axis === 'filing';
  const timeOf = (index: number): number => (byFiling ? commands.release(index) : commands.execution(index));
  const matches = matcher(selection.filter);
  const end = Math.min(selection.end, archiveEnd(archive, selection));
  const lead = byFiling ? commands.execution(0) - commands.release(0) : 0;
  for (let index = commands.firstFrom(selection.begin + lead); timeOf(index) < end; index++) {
    const kind = commands.kindOf(index);
    if (
      !matches({ Apid: kind.apid, ServiceType: kind.service, ServiceSubType: kind.subservice, CommandName: kind.name })
    )
      continue;
    yield report
      ? commands.report(index, switches.frameCountDash ? '-' : '0')
      : { kind: 'raw', packetId: null, bytes: commands.record(index) };
  }
}

function* samples(archive: Archive, selection: Selection): Generator<ResponseElement> {
  const { parameters } = archive;
  const matches = matcher(selection.filter);
  const end = Math.min(selection.end, archiveEnd(archive, selection));
  for (let index = parameters.firstFrom(selection.begin); parameters.time(index) < end; index++) {
    if (matches({ ParameterName: parameters.kindOf(index).name })) yield parameters.sample(index);
  }
}

/** Values of one field are alternatives, different fields must all hold. */
export function matcher(filter: Values | null): (fields: Readonly<Record<string, string | number>>) => boolean {
  const wanted = Object.entries(filter ?? {})
    .map(([name, values]) => [name, new Set(values as readonly unknown[])] as const)
    .filter(([, values]) => values.size > 0);
  return (fields) => wanted.every(([name, values]) => values.has(fields[name]));
}

export function assertType(type: string, stream: boolean): asserts type is DataType {
  const offered: readonly string[] = stream ? ['PktTmStream'] : BATCH_TYPES;
  if (!offered.includes(type))
    throw new EddsFault('UNSUPPORTED_TYPE', `${type.slice(0, 80)} is not offered; offered are ${offered.join(', ')}`);
}
