import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { connectHttp, type HttpClient } from '../client/index.js';
import type { Context } from './context.js';
import { CliError, EXIT, usage } from './exit-codes.js';

export interface GlobalOptions {
  readonly url?: string;
  readonly keyFile?: string;
  readonly ca?: string;
  readonly json?: boolean;
  readonly debug?: boolean;
}

export const DEFAULT_URL = 'http://127.0.0.1:8080';

/** Address of `--url` or MPD_GATEWAY_URL. @throws CliError usage for a scheme that is none of ours */
export function addressOf(context: Context, options: GlobalOptions): string {
  const url = options.url ?? context.env.MPD_GATEWAY_URL ?? DEFAULT_URL;
  if (!/^(https?|maltcp|malhttp):\/\/[^/]/i.test(url) || !URL.canParse(url))
    throw usage(`--url: expected http://…, https://…, maltcp://… or malhttp://…, not ${JSON.stringify(url)}`);
  return url;
}

/** A client with the key of `--key-file` or MPD_GATEWAY_KEY (a key on the command line would show in `ps`). */
export function httpClient(context: Context, options: GlobalOptions, url: string): HttpClient {
  const key =
    options.keyFile === undefined ? context.env.MPD_GATEWAY_KEY : read(context, options.keyFile, '--key-file').trim();
  const ca = options.ca === undefined ? undefined : read(context, options.ca, '--ca');
  return connectHttp(url, { ...(key ? { key } : {}), ...(ca === undefined ? {} : { ca }) });
}

function read(context: Context, path: string, option: string): string {
  try {
    return readFileSync(resolve(context.cwd, path), 'utf8');
  } catch (error) {
    throw new CliError(
      EXIT.usage,
      `${option}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      error,
    );
  }
}
