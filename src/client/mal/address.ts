import { ENCODINGS, type EncodingName } from '../../mal/index.js';
import { invalid } from '../../mpd/index.js';

export interface MalAddress {
  readonly scheme: 'maltcp' | 'malhttp';
  /** Scheme, host and port. */
  readonly root: string;
  readonly encoding: EncodingName | null;
}

/** Reads `maltcp://host:port/?encoding=split`. @throws MpdError Invalid */
export function parseAddress(url: string): MalAddress {
  const match = /^(maltcp|malhttp):\/\/((?:\[[^\]]+\]|[^:/?#@]+):\d{1,5})\/?(?:\?encoding=([\w-]+))?$/.exec(url);
  if (match === null) {
    throw invalid(
      'url',
      `expected maltcp://host:port/ or malhttp://host:port/, with ?encoding= at most, not ${JSON.stringify(url)}`,
    );
  }
  const [, scheme, host, encoding] = match;
  return { scheme: scheme as MalAddress['scheme'], root: `${scheme}://${host}`, encoding: encodingName(encoding) };
}

function encodingName(text: string | undefined): EncodingName | null {
  if (text === undefined) return null;
  const name = text.startsWith('binary-') ? text : `binary-${text}`;
  if (!Object.hasOwn(ENCODINGS, name))
    throw invalid('url', `no encoding ${JSON.stringify(text)}: fixed, variable or split`);
  return name as EncodingName;
}
