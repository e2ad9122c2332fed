import express, { type Request, type Response } from 'express';
import { HttpFault } from '../fault.js';
import { jsonFaultAt } from './json-fault.js';

/** Reads the JSON body of a request. @throws HttpFault 400 with the position of a syntax fault, 413, 415 */
export function createJsonReader(limit: number): (req: Request, res: Response) => Promise<unknown> {
  const parse = express.json({ limit, strict: false, type: () => true });
  return (req, res) => {
    const type = req.headers['content-type'];
    if (type === undefined ? hasBody(req) : !/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type)) {
      throw new HttpFault(
        415,
        'Bad Encoding',
        { message: `Content-Type: expected application/json, not ${type ?? 'nothing'}`, field: 'Content-Type' },
        { Accept: 'application/json' },
      );
    }
    return new Promise((resolve, reject) => {
      parse(req, res, (error?: unknown) => {
        if (error === undefined || error === null) resolve(req.body);
        else reject(jsonFault(error as ParserError, limit));
      });
    });
  };
}

const hasBody = (req: Request): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;

interface ParserError extends Error {
  readonly type?: string;
  readonly status?: number;
  readonly body?: unknown;
}

function jsonFault(error: ParserError, limit: number): unknown {
  if (error.type === 'entity.too.large') {
    return new HttpFault(
      413,
      'Invalid',
      { message: `body: more than ${limit} bytes`, field: 'body' },
      { Connection: 'close' },
    );
  }
  if (error.type === 'entity.parse.failed') {
    return new HttpFault(400, 'Bad Encoding', {
      message: `body: ${syntax(String(error.body))}`,
      field: 'body',
    });
  }
  if (error.status === 415)
    return new HttpFault(415, 'Bad Encoding', { message: `body: ${error.message}`, field: 'body' });
  if (error.type === 'request.aborted' || error.type === 'request.size.invalid') {
    return new HttpFault(400, 'Bad Encoding', { message: 'body: cut off', field: 'body' });
  }
  return error;
}

/** Where a text stops being JSON, lines and columns from 1. */
function syntax(text: string): string {
  const position = jsonFaultAt(text) ?? text.length;
  const before = text.slice(0, position).split('\n');
  const where = `not JSON at line ${before.length} column ${before.at(-1)!.length + 1}`;
  return position >= text.length
    ? `${where}: it ends too early`
    : `${where}: ${JSON.stringify(text.slice(position, position + 10))}`;
}
