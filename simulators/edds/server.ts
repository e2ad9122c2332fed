import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { operationFields } from './contract.js';
import type { CallRule } from './control.js';
import { answer, contentType, faultAnswer, MustUnderstand, readEnvelope } from './envelope.js';
import { EddsFault, invalid } from './fault.js';
import { type Answer, type OperationContext, operate } from './operations.js';
import { partAnswer } from './part-answer.js';
import { OPERATIONS, type OperationName } from './shape.js';
import { readFields, type Values, writeFields } from './values.js';
import { wsdl } from './wsdl.js';

/** PEM. With `clientCa` only callers with a certificate of that authority are let in. */
export interface SimulatorTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

export interface ServerOptions extends OperationContext {
  readonly maxRequestBytes: number;
  /** Address in the WSDL; null = the one the caller used. */
  readonly publicUrl: string | null;
  readonly onError: (error: unknown) => void;
  readonly tls: SimulatorTls | null;
  /** What is asked below `/_sim/`. */
  readonly serveControl: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

/** The SOAP endpoint. Whatever goes wrong is answered with a fault that tells nothing of the inside. */
export function soapServer(options: ServerOptions): Server {
  const { shape, tls } = options;
  const scheme = tls === null ? 'http' : 'https';
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/_sim/')) return void options.serveControl(request, response);
    if (options.control.switches.down) return void request.socket.resetAndDestroy();
    const path = (request.url ?? '/').split('?')[0];
    const query = (request.url ?? '').slice((path ?? '').length + 1);
    if (path !== shape.path) return plain(response, 404, 'there is nothing here');
    if (request.method === 'GET' || request.method === 'HEAD') {
      if (/^wsdl$/i.test(query)) {
        const address = options.publicUrl ?? `${scheme}://${request.headers.host ?? 'localhost'}${shape.path}`;
        response.writeHead(200, { 'content-type': 'text/xml; charset=utf-8' });
        return void response.end(wsdl(shape, address));
      }
      response.setHeader('allow', 'POST');
      return plain(response, 405, 'use POST, or GET ?wsdl');
    }
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      return plain(response, 405, 'use POST');
    }
    void post(options, request, response).catch((error) => {
      options.onError(error);
      response.destroy();
    });
  };
  if (tls === null) return createServer(answer);
  const { cert, key, clientCa } = tls;
  return createTlsServer(
    { cert, key, ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: true }) },
    answer,
  );
}

async function post(options: ServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let operation: OperationName | null = null;
  let rule: CallRule | null = null;
  let result: Answer;
  try {
    const bytes = await readBody(request, options.maxRequestBytes);
    const envelope = readEnvelope(options.shape, bytes, options.maxRequestBytes);
    operation = operationOf(options, envelope.body.name, envelope.body.namespace);
    options.control.began(operation);
    response.once('close', options.control.ended);
    rule = options.control.take(operation);
    if (await before(options, rule, response)) return;
    const values = readFields(options.shape, envelope.body, operationFields(options.shape, operation).input);
    const token = tokenOf(options, values, envelope.headerToken, request);
    result = await operate(options, { operation, values, token });
    if (rule?.effect === 'part-missing' && result.kind === 'part') {
      throw new EddsFault('NO_SUCH_PART', 'there is no such part', String(result.values.RequestId));
    }
  } catch (error) {
    return fault(options, response, error);
  }
  if (rule?.effect === 'lost-answer') return void request.socket.destroy();
  await send(options, operation, result, response, rule);
}

/** True when the rule has already settled the call. */
async function before(options: ServerOptions, rule: CallRule | null, response: ServerResponse): Promise<boolean> {
  switch (rule?.effect) {
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, rule.millis ?? 1000));
      return false;
    case 'expire-token':
      options.sessions.expireAll();
      return false;
    case 'unavailable':
      plain(response, 503, 'not available');
      return true;
    case 'reset':
      response.socket?.resetAndDestroy();
      return true;
    case 'fault-500':
    case 'fault-200': {
      const { status, xml } = faultAnswer(options.shape, new EddsFault('INTERNAL', 'an internal error occurred'), true);
      write(options, response, rule.effect === 'fault-200' ? 200 : status, xml);
      return true;
    }
    default:
      return false;
  }
}

async function send(
  options: ServerOptions,
  operation: OperationName,
  result: Answer,
  response: ServerResponse,
  rule: CallRule | null,
): Promise<void> {
  const { shape } = options;
  if (result.kind === 'values' && result.token !== undefined) {
    const cookie = result.token === null ? `${shape.cookie}=; Max-Age=0` : `${shape.cookie}=${result.token}`;
    response.setHeader('set-cookie', `${cookie}; Path=/; HttpOnly`);
  }
  if (result.kind === 'part') {
    const short = rule?.effect === 'short-content' ? Math.floor(result.part.size / 2) : undefined;
    const { contentType: type, chunks } = partAnswer(shape, result.values, result.part, result.path, short);
    return stream(response, type, chunks, rule, result.part.size);
  }
  const xml = answer(
    shape,
    `${shape.operations[operation]}Response`,
    writeFields(shape, result.values, operationFields(shape, operation).output),
  );
  const body = Buffer.from(xml);
  if (rule?.effect === 'cut-xml') return write(options, response, 200, body.subarray(0, Math.floor(body.length / 2)));
  if (rule?.effect === 'wrong-length' || rule?.effect === 'reset-midway') {
    response.writeHead(200, { 'content-type': contentType(shape), 'content-length': body.length + 100 });
    response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
    return;
  }
  write(options, response, 200, body);
}

/** Sends a part with backpressure; rules cut it in half. */
async function stream(
  response: ServerResponse,
  type: string,
  chunks: AsyncIterable<Uint8Array>,
  rule: CallRule | null,
  size: number,
): Promise<void> {
  const cut = rule?.effect === 'cut-xml' || rule?.effect === 'reset-midway' || rule?.effect === 'wrong-length';
  response.writeHead(200, {
    'content-type': type,
    ...(rule?.effect === 'wrong-length' && { 'content-length': size * 2 + 10_000 }),
  });
  let left = cut ? Math.max(1, Math.floor(size / 2)) : Number.POSITIVE_INFINITY;
  for await (const chunk of chunks) {
    if (response.destroyed) return;
    const part = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= part.length;
    if (!response.write(part)) await drained(response);
    if (left <= 0) break;
  }
  if (!cut || rule?.effect === 'cut-xml') response.end();
  else setTimeout(() => response.destroy(), 20);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function fault(options: ServerOptions, response: ServerResponse, error: unknown): void {
  const known = error instanceof EddsFault || error instanceof MustUnderstand;
  if (!known) options.onError(error);
  const said = known ? error : new EddsFault('INTERNAL', 'an internal error occurred');
  const server = !(said instanceof MustUnderstand) && (said.code === 'INTERNAL' || said.code === 'LIMIT_EXCEEDED');
  const { status, xml } = faultAnswer(options.shape, said, server);
  write(options, response, status, xml);
}

function write(options: ServerOptions, response: ServerResponse, status: number, xml: string | Uint8Array): void {
  const body = Buffer.from(xml as string);
  response.writeHead(status, { 'content-type': contentType(options.shape), 'content-length': body.length });
  response.end(body);
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

function operationOf(options: ServerOptions, wire: string, namespace: string): OperationName {
  const { shape } = options;
  const operation = OPERATIONS.find((name) => shape.operations[name] === wire);
  if (operation === undefined || namespace !== shape.namespace) throw invalid('there is no such operation');
  return operation;
}

function tokenOf(
  options: ServerOptions,
  values: Values,
  header: string | null,
  request: IncomingMessage,
): string | null {
  const cookie = (request.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${options.shape.cookie}=`));
  const given = {
    argument: values.token === undefined ? null : String(values.token).trim(),
    header,
    cookie: cookie === undefined ? null : cookie.slice(options.shape.cookie.length + 1),
    basic: options.shape.token.includes('basic') ? options.sessions.basic(request.headers.authorization) : null,
  };
  for (const way of options.shape.token) if (given[way] !== null) return given[way];
  return null;
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length <= maxBytes) chunks.push(chunk as Buffer);
  }
  if (length > maxBytes) throw invalid(`the request is longer than ${maxBytes} bytes`);
  return Buffer.concat(chunks);
}
