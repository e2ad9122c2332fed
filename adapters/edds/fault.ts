import { type ErrorClass, MpdError, type MpdErrorCode } from '../../src/mpd/index.js';
import { type AnswerNode, textAt } from './answer.js';
import type { Meaning, SiteProfile } from './site.js';

/** A SOAP fault of the site, with what its code means here. */
export class SiteFault extends Error {
  override readonly name = 'SiteFault';
  constructor(
    readonly meaning: Meaning,
    /** Code as the site wrote it. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The fault in a SOAP body (1.1 or 1.2), or null. */
export function faultOf(body: AnswerNode, profile: SiteProfile): SiteFault | null {
  const fault = body.children.find((child) => child.name === 'Fault');
  if (fault === undefined) return null;
  const detail = fault.children.find((child) => child.name === 'detail' || child.name === 'Detail');
  const written = textAt(fault, 'faultcode') ?? textAt(fault, 'Code.Value') ?? '';
  const code = (detail === undefined ? null : textAt(detail, profile.faults.code)) ?? written.replace(/^.*:/, '');
  const message = textAt(fault, 'faultstring') ?? textAt(fault, 'Reason.Text') ?? 'no reason given';
  return new SiteFault(profile.faults.codes[code] ?? 'internal', code, message);
}

const ERRORS: Readonly<Record<Meaning, readonly [MpdErrorCode, ErrorClass, string]>> = {
  notAuthenticated: ['Authentication Failed', 'retry', 'EDDS ended the session'],
  authFailed: ['Authentication Failed', 'fatal', 'EDDS refuses user or password of the gateway'],
  denied: ['Authorisation Fail', 'refuse', "the gateway's EDDS account has no right to this"],
  invalid: ['Invalid', 'refuse', 'EDDS does not accept the request'],
  unsupported: ['Invalid', 'refuse', 'EDDS does not offer this'],
  unknownRequest: ['Unknown', 'refuse', 'EDDS does not know the request'],
  notReady: ['Unknown', 'retry', 'EDDS has not made this yet'],
  noSuchPart: ['Unknown', 'refuse', 'EDDS has no such part'],
  expired: ['Unknown', 'refuse', 'EDDS has dropped the data of the request'],
  limit: ['Too Many', 'refuse', 'the request is too large for EDDS, or too many are under way'],
  internal: ['Internal', 'retry', 'EDDS reports an error of its own'],
};

/** The error a caller of the gateway sees; the fault stays as its cause. */
export function mpdErrorOf(fault: SiteFault): MpdError {
  const [code, errorClass, text] = ERRORS[fault.meaning];
  const message = `${text}: ${fault.message}`;
  return new MpdError(code, { class: errorClass, message, extraInformation: message, cause: fault });
}

/** Whether an error comes from a fault of this meaning. */
export function means(error: unknown, ...meanings: readonly Meaning[]): boolean {
  const fault = error instanceof SiteFault ? error : error instanceof Error ? error.cause : undefined;
  return fault instanceof SiteFault && meanings.includes(fault.meaning);
}
