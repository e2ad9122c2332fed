import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { Json, JsonSchema, Shape } from '../../client/http/wire/index.js';
import type { Gateway, Principal } from '../../gateway/api.js';
import type { MpdErrorCode } from '../../mpd/index.js';
import type { HttpBindingConfig } from './config.js';
import type { Links } from './links.js';

/** A path, query or header value: its schema and how its text is read. `parse` throws Invalid naming `field`. */
export interface Param<T> {
  readonly schema: JsonSchema;
  readonly doc: string;
  readonly example?: Json;
  readonly parse: (text: string, field: string) => T;
}
export interface ListParam<T> extends Param<T> {
  readonly repeatable: true;
}
/** Every query parameter whose name starts with a prefix, as `[name without it, value]`. */
export interface PrefixParam {
  readonly prefix: string;
  readonly schema: JsonSchema;
  readonly doc: string;
  readonly example: Json;
}

export type QueryParams = Readonly<Record<string, Param<unknown> | ListParam<unknown> | PrefixParam>>;
export type PathParams = Readonly<Record<string, Param<unknown>>>;

export type QueryValues<Q> = {
  readonly [K in keyof Q]: Q[K] extends PrefixParam
    ? readonly (readonly [string, string])[]
    : Q[K] extends ListParam<infer T>
      ? readonly T[]
      : Q[K] extends Param<infer T>
        ? T | null
        : never;
};
export type PathValues<P> = { readonly [K in keyof P]: P[K] extends Param<infer T> ? T : never };

/** What every handler is given. */
export interface Call {
  readonly gateway: Gateway;
  readonly config: HttpBindingConfig;
  readonly principal: Principal;
  readonly links: Links;
  readonly log: Logger;
  readonly requestId: string;
  /** Aborted when the client leaves, the time is over, or the gateway stops and the drain time is over. */
  readonly signal: AbortSignal;
  /** Aborted as soon as the gateway is asked to stop: streams that can be resumed end themselves. */
  readonly stopping: AbortSignal;
  /** Whether the key that came with the request still holds. */
  readonly stillAllowed: () => Promise<boolean>;
  /** Lifts the time limit of an answer: for streams and long polls. */
  readonly unbounded: () => void;
  /** For open routes that find out who asks: counts the request and the open stream of this principal. @throws HttpFault 429 */
  readonly admit: (principal: string) => Promise<void>;
  readonly req: Request;
  readonly res: Response;
}

export interface Reply<R> {
  readonly value: R;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Media {
  readonly type: string;
  readonly schema: JsonSchema;
  readonly components?: () => Readonly<Record<string, JsonSchema>>;
  readonly doc?: string;
}

export type Access = 'open' | 'key' | 'operator';

interface Common<P, Q> {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** OpenAPI template below the host; a last `{name+}` takes the rest of the path, still percent-encoded. */
  readonly path: string;
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly doc?: string;
  readonly access?: Access;
  readonly params?: P;
  readonly query?: Q;
  readonly errors: readonly MpdErrorCode[];
  /** Further answers that HTTP has a status for, with what they mean; a problem unless a shape or `null` (no content) says otherwise. */
  readonly also?: Readonly<Record<number, { readonly doc: string; readonly answers?: Shape<unknown> | null }>>;
}

export interface AnswerRoute<P, Q, B, R> extends Common<P, Q> {
  readonly body?: Shape<B>;
  readonly status?: number;
  /** null = no content. */
  readonly answers: Shape<R> | null;
  readonly handle: (
    call: Call,
    input: { readonly params: PathValues<P>; readonly query: QueryValues<Q>; readonly body: B },
  ) => Promise<Reply<R>>;
}

export interface StreamRoute<P, Q, B> extends Common<P, Q> {
  readonly body?: Shape<B>;
  readonly streams: readonly Media[];
  /** Answers by itself and counts as an open stream of the principal. Bounded in time until it calls `unbounded`. */
  readonly handle: (
    call: Call,
    input: { readonly params: PathValues<P>; readonly query: QueryValues<Q>; readonly body: B },
  ) => Promise<void>;
}

/** A route with its types erased, as the table holds it. */
export interface Route extends Common<PathParams, QueryParams> {
  readonly body?: Shape<unknown>;
  readonly status?: number;
  readonly answers?: Shape<unknown> | null;
  readonly streams?: readonly Media[];
  readonly handle: (call: Call, input: never) => Promise<Reply<unknown> | undefined>;
}

export const answer = <
  const P extends PathParams = Record<never, never>,
  const Q extends QueryParams = Record<never, never>,
  B = undefined,
  R = null,
>(
  route: AnswerRoute<P, Q, B, R>,
): Route => route as unknown as Route;

export const stream = <
  const P extends PathParams = Record<never, never>,
  const Q extends QueryParams = Record<never, never>,
  B = undefined,
>(
  route: StreamRoute<P, Q, B>,
): Route => route as unknown as Route;

const REST = /\{(\w+)\+\}$/;

/** Matches a raw (still percent-encoded) path; groups are the parameters. */
export function pathPattern(template: string): RegExp {
  const source = template
    .replace(/[.*?^$()|[\]\\]/g, '\\$&')
    .replace(REST, '(?<$1>.+)')
    .replace(/\{(\w+)\}/g, '(?<$1>[^/:]+)');
  return new RegExp(`^${source}$`, 's');
}

/** The path as OpenAPI writes it. */
export const openApiPath = (template: string): string => template.replace(REST, '{$1}');

export const isRest = (template: string, name: string): boolean => template.endsWith(`{${name}+}`);
