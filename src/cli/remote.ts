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

/** The client for `--url` or MPD_GATEWAY_URL, with the key of `--key-file` or MPD_GATEWAY_KEY (a key on the command line would show in `ps`). */
export function remoteClient(context: Context, options: GlobalOptions): HttpClient {
  const url = options.url ?? context.env.MPD_GATEWAY_URL ?? DEFAULT_URL;
  if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url))
    throw usage(`--url: expected http://… or https://…, not ${JSON.stringify(url)}`);
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
