import { ENCODINGS, type EncodingName, type MalhttpMode } from '../../mal/index.js';
import { invalid } from '../../mpd/index.js';

export interface MalAddress {
  readonly scheme: 'maltcp' | 'malhttp';
  /** Scheme, host and port. */
  readonly root: string;
  readonly encoding: EncodingName | null;
  /** Of malhttp. */
  readonly mode: MalhttpMode | null;
}

const MODES: readonly MalhttpMode[] = ['request-response', 'no-response', 'no-encoding'];

/** Reads `maltcp://host:port/?encoding=split` and `malhttp://host:port/?encoding=split&mode=no-encoding`. @throws MpdError Invalid */
export function parseAddress(url: string): MalAddress {
  const match = /^(maltcp|malhttp):\/\/((?:\[[^\]]+\]|[^:/?#@]+):\d{1,5})\/?(?:\?([\w=&-]*))?$/.exec(url);
  const [, scheme = '', host = '', query = ''] = match ?? [];
  const parameters = new URLSearchParams(query);
  const known = scheme === 'malhttp' ? ['encoding', 'mode'] : ['encoding'];
  if (match === null || [...parameters.keys()].some((name) => !known.includes(name))) {
    throw invalid(
      'url',
      `expected maltcp://host:port/ or malhttp://host:port/, with ?encoding= (malhttp also mode=) at most, not ${JSON.stringify(url)}`,
    );
  }
  const mode = parameters.get('mode');
  if (mode !== null && !MODES.some((each) => each === mode))
    throw invalid('url', `no mode ${JSON.stringify(mode)}: ${MODES.join(', ')}`);
  return {
    scheme: scheme as MalAddress['scheme'],
    root: `${scheme}://${host}`,
    encoding: encodingName(parameters.get('encoding')),
    mode: mode as MalhttpMode | null,
  };
}

function encodingName(text: string | null): EncodingName | null {
  if (text === null) return null;
  const name = text.startsWith('binary-') ? text : `binary-${text}`;
  if (!Object.hasOwn(ENCODINGS, name))
    throw invalid('url', `no encoding ${JSON.stringify(text)}: fixed, variable or split`);
  return name as EncodingName;
}
