import { setTimeout as sleep } from 'node:timers/promises';
import { escapeText } from '../../src/formats/edds-response/index.js';
import { formatMillis, parseTime } from '../../src/formats/time.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import { type AnswerNode, type ContentForm, nodesAt, textAt } from './answer.js';
import type { Arguments, CallExtras, Called, SiteCaller } from './caller.js';
import { means, mpdErrorOf, SiteFault } from './fault.js';
import { gate } from './gate.js';
import { type BATCH_FIELDS, CATALOGUE_FIELDS, type JobState, type Operation, type SiteProfile } from './site.js';

/** Values of the neutral model: times are nanoseconds since 1970. */
export type Neutral = Readonly<Record<string, string | number | bigint | readonly (string | number)[] | undefined>>;

export interface JobStatus {
  readonly requestId: string;
  readonly state: JobState;
  /** As the site wrote them. */
  readonly details: {
    readonly State: string | null;
    readonly Error: string | null;
    readonly Reason: string | null;
    readonly SubmissionTime: string | null;
    readonly ExpiryTime: string | null;
  };
}

export interface FetchedPart {
  readonly fileName: string;
  readonly contentType: string | null;
  readonly creationTime: bigint | null;
  /** Bytes received. */
  readonly bytes: number;
  /** null: the site does not say it with the part. */
  readonly last: boolean | null;
}

export type CatalogueRecord = Readonly<Partial<Record<(typeof CATALOGUE_FIELDS)[number], string>>>;

export interface ServiceOptions {
  readonly caller: SiteCaller;
  readonly profile: SiteProfile;
  readonly username: string | null;
  readonly password: string | null;
  /** The site's name of the mission; null = none is sent. */
  readonly mission: string | null;
}

const RETRIES = 4;

/** The operations of an EDDS in neutral terms: logs in when needed, repeats what may be repeated, bounds calls in parallel. */
export function eddsService(options: ServiceOptions) {
  const { caller, profile } = options;
  const calls = gate(profile.limits.parallel);
  let session: { readonly token: string } | null = null;
  let loggingIn: Promise<{ readonly token: string }> | null = null;

  const login = async (signal: AbortSignal): Promise<{ readonly token: string }> => {
    const args = argumentsOf(profile.requests.login, {
      user: options.username ?? '',
      password: options.password ?? '',
    });
    const { answer, cookies } = await caller.call('login', args, { signal });
    const token =
      profile.auth.send === 'cookie'
        ? cookies.map((cookie) => cookie.split(';')[0]!.trim()).join('; ')
        : textAt(answer, profile.responses.login.token);
    if (token === null || token === '') {
      throw new MpdError('Internal', {
        class: 'fatal',
        message: 'the login of EDDS gives no token where the site profile expects it',
      });
    }
    return { token };
  };

  const authenticated = async (): Promise<{ readonly token: string } | null> => {
    if (profile.auth.method !== 'login') return null;
    if (session !== null) return session;
    // Shared by all who wait for it, so it does not end with one of them.
    loggingIn ??= login(AbortSignal.timeout(60_000))
      .then((made) => {
        session = made;
        return made;
      })
      .finally(() => {
        loggingIn = null;
      });
    return loggingIn;
  };

  const once = async (operation: Operation, args: Arguments, extras: CallExtras): Promise<Called> => {
    const current = await authenticated();
    const token = current?.token;
    const { send, header } = profile.auth;
    const withToken =
      token !== undefined && send === 'argument' ? { ...nested(profile.auth.argument, token), ...args } : args;
    try {
      return await caller.call(operation, withToken, {
        ...extras,
        ...(token !== undefined && send === 'cookie' && { cookie: token }),
        ...(token !== undefined &&
          send === 'header' &&
          header !== undefined && {
            headerXml: `<t:${header.name} xmlns:t="${header.namespace}">${escapeText(token)}</t:${header.name}>`,
          }),
      });
    } catch (error) {
      if (means(error, 'notAuthenticated') && session === current) session = null;
      throw error;
    }
  };

  /** `repeatable`: may be sent again when it is not known what became of it. */
  const call = async (
    operation: Operation,
    args: Arguments,
    extras: CallExtras,
    repeatable = true,
  ): Promise<Called> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await calls.run(() => once(operation, args, extras), extras.signal);
      } catch (error) {
        extras.signal.throwIfAborted();
        const sessionLost = means(error, 'notAuthenticated') && profile.auth.method === 'login';
        const again = sessionLost || (repeatable && isTransient(error));
        if (!again || attempt >= RETRIES) throw error instanceof SiteFault ? mpdErrorOf(error) : error;
        if (!sessionLost) await sleep(Math.min(100 * 2 ** attempt, 2000), undefined, { signal: extras.signal });
      }
    }
  };

  const submit = async (
    operation: 'submitBatch' | 'submitStream',
    values: Neutral,
    signal: AbortSignal,
  ): Promise<string> => {
    const template = operation === 'submitBatch' ? profile.requests.batch : profile.requests.stream;
    const given = { ...values, ...(options.mission !== null && { domain: options.mission }) };
    const args = argumentsOf(template, given);
    const delivery = profile.requests.serverDelivery;
    const all =
      delivery === undefined || values.deliveryProtocol !== undefined ? args : merge(args, nested(delivery, {}));
    const { answer } = await call(operation, all, { signal }, false);
    const id = textAt(answer, profile.responses.submit.requestId);
    if (id === null || id === '')
      throw new MpdError('Internal', { class: 'retry', message: 'EDDS gave no request id' });
    return id;
  };

  return {
    profile,
    mission: options.mission,
    submitBatch: (values: Neutral, signal: AbortSignal) => submit('submitBatch', values, signal),
    submitStream: (values: Neutral, signal: AbortSignal) => submit('submitStream', values, signal),

    async cancel(requestId: string, signal: AbortSignal): Promise<void> {
      if (!caller.has('cancel')) return;
      await call('cancel', argumentsOf(profile.requests.cancel, { requestId }), { signal });
    },

    async status(requestId: string, signal: AbortSignal): Promise<JobStatus> {
      const { answer } = await call('status', argumentsOf(profile.requests.status, { requestId }), { signal });
      const node = nodesAt(answer, profile.responses.status.root)[0];
      if (node === undefined)
        throw new MpdError('Internal', { class: 'retry', message: 'the status of EDDS is empty' });
      return statusOf(profile, node);
    },

    async list(submittedFrom: bigint | null, signal: AbortSignal): Promise<readonly JobStatus[]> {
      if (!caller.has('list')) return [];
      const args = argumentsOf(profile.requests.list, { submittedFrom: submittedFrom ?? undefined });
      const { answer } = await call('list', args, { signal });
      return nodesAt(answer, profile.responses.list.root).map((node) => statusOf(profile, node));
    },

    /** Fetches one part, handing its bytes on as they come. Not repeated: the receiver may have had some already. */
    async fetch(
      requestId: string,
      part: number,
      write: (bytes: Uint8Array) => Promise<void>,
      signal: AbortSignal,
    ): Promise<FetchedPart> {
      let bytes = 0;
      const path = (profile.responses.fetch.content ?? '').split('.');
      const counted = async (piece: Uint8Array): Promise<void> => {
        bytes += piece.length;
        await write(piece);
      };
      const args = argumentsOf(profile.requests.fetch, { requestId, part });
      const { answer, form } = await call('fetch', args, { signal, content: { path, write: counted } }, false);
      return fetchedPart(profile, answer, part, bytes, form);
    },

    async catalogue(dataType: string | null, signal: AbortSignal): Promise<readonly CatalogueRecord[]> {
      if (!caller.has('catalogue')) return [];
      const args = argumentsOf(profile.requests.catalogue, {
        domain: options.mission ?? undefined,
        dataType: dataType ?? undefined,
      });
      const { answer } = await call('catalogue', args, { signal });
      const { root, ...fields } = profile.responses.catalogue;
      return nodesAt(answer, root)
        .map(
          (node): CatalogueRecord =>
            Object.fromEntries(
              CATALOGUE_FIELDS.flatMap((name) => {
                const text = textAt(node, fields[name]);
                return text === null || text === '' ? [] : [[name, text]];
              }),
            ),
        )
        .filter(({ domain }) => options.mission === null || domain === undefined || domain === options.mission);
    },

    async close(): Promise<void> {
      if (session === null || !caller.has('logout')) return;
      const signal = AbortSignal.timeout(2000);
      await once('logout', {}, { signal }).catch(() => undefined);
      session = null;
    },
  };
}

export type EddsService = ReturnType<typeof eddsService>;

function fetchedPart(
  profile: SiteProfile,
  answer: AnswerNode,
  part: number,
  bytes: number,
  form: ContentForm,
): FetchedPart {
  const at = profile.responses.fetch;
  const fileName = textAt(answer, at.fileName);
  const size = textAt(answer, at.size);
  // Written out again from the answer, the bytes need not be those that were counted there.
  if (size !== null && form !== 'inline' && Number(size) !== bytes) {
    throw new MpdError('Internal', {
      class: 'retry',
      message: `part ${part} has ${bytes} bytes where EDDS announces ${size}`,
    });
  }
  if (fileName === null || fileName === '') {
    throw new MpdError('Internal', {
      class: 'fatal',
      message: 'a part of EDDS has no file name where the site profile expects it',
    });
  }
  const total = textAt(answer, at.total);
  const flag = textAt(answer, at.last);
  const last =
    profile.last === 'flag'
      ? flag === 'true' || flag === '1'
      : profile.last === 'count' && total !== null
        ? part >= Number(total)
        : null;
  const created = textAt(answer, at.creationTime);
  return {
    fileName,
    bytes,
    last,
    contentType: textAt(answer, at.contentType),
    creationTime: created === null ? null : parseTime(created),
  };
}

function statusOf(profile: SiteProfile, node: AnswerNode): JobStatus {
  const { root: _, ...at } = profile.responses.status;
  const state = textAt(node, at.state);
  return {
    requestId: textAt(node, at.requestId) ?? '',
    state: state === null ? 'other' : (profile.states[state] ?? 'other'),
    details: {
      State: state,
      Error: textAt(node, at.error),
      Reason: textAt(node, at.reason),
      SubmissionTime: textAt(node, at.submissionTime),
      ExpiryTime: textAt(node, at.expiryTime),
    },
  };
}

function isTransient(error: unknown): boolean {
  if (error instanceof SiteFault) return error.meaning === 'internal';
  return isMpdError(error) && (error.class === 'retry' || error.class === 'target-down');
}

/** Wire arguments of neutral values, in the order of the template; a value for which the site has no place is left out. */
function argumentsOf(template: Readonly<Record<string, string | undefined>>, values: Neutral): Arguments {
  let args: Arguments = {};
  for (const [name, path] of Object.entries(template)) {
    const value = values[name];
    if (path === undefined || value === undefined) continue;
    args = merge(args, nested(path, typeof value === 'bigint' ? formatMillis(value) : value));
  }
  return args;
}

function nested(path: string, value: Arguments[string]): Arguments {
  return path.split('.').reduceRight<Arguments[string]>((inner, name) => ({ [name]: inner }), value) as Arguments;
}

function merge(a: Arguments, b: Arguments): Arguments {
  const merged: Record<string, Arguments[string]> = { ...a };
  for (const [name, value] of Object.entries(b)) {
    const before = merged[name];
    merged[name] = isNested(before) && isNested(value) ? merge(before, value) : value;
  }
  return merged;
}

const isNested = (value: Arguments[string] | undefined): value is Arguments =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export type RequestField = (typeof BATCH_FIELDS)[number];
