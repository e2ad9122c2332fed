import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { DataDriveConfig } from './config.js';
import { discard, fault, type Http, readText } from './http.js';

/** The session with DataDrive: one token, renewed when a server asks to log in. */
export interface Login {
  /** `name=token`, for the `Cookie` header. */
  cookie(): Promise<string>;
  /** Drops the token that gave 401, unless another has come since. False where it cannot be renewed. */
  renew(usedCookie: string): Promise<boolean>;
}

type Config = NonNullable<DataDriveConfig['login']>;

export function createLogin(config: Config, http: Http): Login {
  const name = config.cookie ?? (config.family === 'csso' ? 'ssosession' : 'mdmsSsoToken');
  let current: Promise<string> | undefined;
  const cookie = (): Promise<string> => {
    current ??= obtain(config, http).then(
      (token) => `${name}=${token}`,
      (error) => {
        current = undefined;
        throw error;
      },
    );
    return current;
  };
  return {
    cookie,
    async renew(usedCookie) {
      if ((await cookie()) !== usedCookie) return true;
      current = undefined;
      return (await cookie()) !== usedCookie;
    },
  };
}

async function obtain(config: Config, http: Http): Promise<string> {
  if (config.token) return config.token;
  if (config.tokenFile) return tokenIn(await readFile(config.tokenFile, 'utf8'));
  if (config.command) {
    const [program = '', ...args] = config.command;
    const { stdout } = await promisify(execFile)(program, args, { timeout: 30_000 });
    return tokenIn(stdout);
  }
  if (!config.cam) throw fault('no way to log in is configured', 'fatal');
  const { url, username, password } = config.cam;
  const query = 'authIndexType=service&authIndexValue=LDAPAuthChain';
  const response = await http(`${url}/json/authenticate?${query}`, {
    method: 'POST',
    headers: { 'x-openam-username': username, 'x-openam-password': password, 'content-type': 'application/json' },
    body: '{}',
    signal: AbortSignal.timeout(30_000),
  });
  if (response.statusCode !== 200) {
    discard(response);
    throw fault(`the CAM login was refused with status ${response.statusCode}`, 'target-down');
  }
  const { tokenId } = JSON.parse(await readText(response, 1 << 20)) as { tokenId?: string };
  if (!tokenId) throw fault('the CAM login answered without a token', 'target-down');
  return tokenId;
}

/** A token as text (CSSO), or as JSON `{ssoToken}` (CAM). */
function tokenIn(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return trimmed;
  const { ssoToken } = JSON.parse(trimmed) as { ssoToken?: string };
  if (!ssoToken) throw fault('the token file holds JSON without ssoToken', 'target-down');
  return ssoToken;
}
