import { escapeText } from '../../src/formats/edds-response/index.js';
import { formatMillis, parseTime } from '../../src/formats/time.js';
import { ENUMERATIONS, type Field, TYPES } from './contract.js';
import { invalid } from './fault.js';
import { contractName, type JobState, type Shape, wireName } from './shape.js';
import type { XmlNode } from './xml-tree.js';

/** Times are milliseconds since 1970 (with a fraction), durations milliseconds. */
export type Value = string | number | boolean | null | Values | readonly Value[];
export interface Values {
  readonly [name: string]: Value;
}

const INTEGERS: Readonly<Record<string, readonly [number, number]>> = {
  positiveInteger: [1, Number.MAX_SAFE_INTEGER],
  nonNegativeInteger: [0, Number.MAX_SAFE_INTEGER],
  unsignedInt: [0, 0xffff_ffff],
  unsignedShort: [0, 0xffff],
  unsignedByte: [0, 0xff],
};

/** Reads the children of a wrapper or type; an EddsFault INVALID_REQUEST names the child that is missing or bad. */
export function readFields(shape: Shape, node: XmlNode, fields: readonly Field[], where = ''): Values {
  const values: Record<string, Value> = {};
  const found = new Map<string, XmlNode[]>();
  for (const child of node.children) {
    const name = contractName(shape, child.name);
    const expected = shape.qualified ? shape.namespace : '';
    if (
      child.namespace !== expected ||
      !fields.some((one) => one.name === name && wireName(shape, name) === child.name)
    ) {
      throw invalid(`${where}${child.name} is not known here`);
    }
    found.set(name, [...(found.get(name) ?? []), child]);
  }
  for (const one of fields) {
    const nodes = found.get(one.name) ?? [];
    const path = `${where}${wireName(shape, one.name)}`;
    if (nodes.length === 0 && !one.optional) throw invalid(`${path} is missing`);
    if (nodes.length > 1 && !one.many) throw invalid(`${path} occurs more than once`);
    if (one.many) values[one.name] = nodes.map((child) => readValue(shape, child, one.type, path));
    else if (nodes[0] !== undefined) values[one.name] = readValue(shape, nodes[0], one.type, path);
  }
  return values;
}

function readValue(shape: Shape, node: XmlNode, type: string, path: string): Value {
  if (type === 'Delivery') return readChoice(shape, node, path);
  const fields = TYPES[type];
  if (fields !== undefined) return readFields(shape, node, fields, `${path}/`);
  if (node.children.length > 0) throw invalid(`${path} has children where a value is expected`);
  const text = node.text.trim();
  const integer = INTEGERS[type];
  if (integer !== undefined) {
    const value = /^\+?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= integer[0] && value <= integer[1])) throw invalid(`${path} is no ${type}`);
    return value;
  }
  if (type === 'dateTime') {
    const time = /T/.test(text) ? parseTime(text) : null;
    if (time === null) throw invalid(`${path} is no dateTime`);
    // Whole milliseconds apart: nanoseconds since 1970 are more than a number holds exactly.
    return Number(time / 1_000_000n) + Number(time % 1_000_000n) / 1e6;
  }
  if (type === 'duration') return readDuration(text, path);
  if (type === 'JobState') {
    const state = (Object.entries(shape.states) as [JobState, string][]).find(([, wire]) => wire === text)?.[0];
    if (state === undefined) throw invalid(`${path} is no state`);
    return state;
  }
  const enumeration = ENUMERATIONS[type];
  if (enumeration !== undefined && !enumeration.includes(text))
    throw invalid(`${path} must be one of ${enumeration.join(', ')}`);
  return enumeration === undefined ? node.text : text;
}

function readChoice(shape: Shape, node: XmlNode, path: string): Value {
  if (node.children.length !== 1) throw invalid(`${path} must hold one kind of delivery`);
  const fields = TYPES.Delivery!.map((one) => ({ ...one, optional: true }));
  return readFields(shape, node, fields, `${path}/`);
}

function readDuration(text: string, path: string): number {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text);
  if (match === null) throw invalid(`${path} is no duration of days, hours, minutes and seconds`);
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  const value = (Number(days) * 86_400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  if (!(value > 0)) throw invalid(`${path} must be longer than nothing`);
  return value;
}

/** The children of an answer as XML, in the order of the contract. */
export function writeFields(shape: Shape, values: Values, fields: readonly Field[]): string {
  return fields.map((one) => writeField(shape, one, values[one.name])).join('');
}

function writeField(shape: Shape, one: Field, value: Value | undefined): string {
  if (one.many)
    return ((value ?? []) as readonly Value[]).map((item) => writeField(shape, { ...one, many: false }, item)).join('');
  if (value === undefined) return '';
  const name = (shape.qualified ? 'e:' : '') + wireName(shape, one.name);
  if (value === null) return `<${name} xsi:nil="true"/>`;
  const fields = TYPES[one.type];
  if (fields !== undefined) return `<${name}>${writeFields(shape, value as Values, fields)}</${name}>`;
  if (one.type === 'dateTime')
    return `<${name}>${formatMillis(BigInt(Math.trunc(value as number)) * 1_000_000n)}</${name}>`;
  return `<${name}>${escapeText(String(value))}</${name}>`;
}
