import { copyFile, mkdir, rename } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { Client as FtpClient } from 'basic-ftp';
import { type SFTPWrapper, Client as SshClient } from 'ssh2';
import type { Values } from './values.js';

export interface FileToDeliver {
  readonly path: string;
  readonly fileName: string;
}

/** Writes files to a file server under a temporary name each, then renames them. Errors say what failed, without the password. */
export async function deliverFiles(
  server: Values,
  files: readonly FileToDeliver[],
  roots: readonly string[],
): Promise<void> {
  const directory = String(server.Directory);
  switch (server.Protocol) {
    case 'FILE':
      return toFolder(directory, files, roots);
    case 'SFTP':
      return toSftp(server, directory, files);
    default:
      return toFtp(server, directory, files);
  }
}

/** True when the directory lies within one of the roots. */
export function withinRoots(directory: string, roots: readonly string[]): boolean {
  const target = resolve(directory);
  return roots.some((root) => target === resolve(root) || target.startsWith(resolve(root) + sep));
}

async function toFolder(directory: string, files: readonly FileToDeliver[], roots: readonly string[]): Promise<void> {
  if (!withinRoots(directory, roots)) throw new Error('the folder is outside the configured roots');
  await mkdir(directory, { recursive: true });
  for (const { path, fileName } of files) {
    const temporary = join(directory, `.${fileName}.part`);
    await copyFile(path, temporary);
    await rename(temporary, join(directory, fileName));
  }
}

async function toFtp(server: Values, directory: string, files: readonly FileToDeliver[]): Promise<void> {
  const client = new FtpClient(20_000);
  try {
    await client.access({
      host: String(server.Host),
      port: (server.Port as number | undefined) ?? 21,
      ...(server.UserName !== undefined && { user: String(server.UserName) }),
      ...(server.Password !== undefined && { password: String(server.Password) }),
      secure: server.Protocol === 'FTPS',
      secureOptions: { rejectUnauthorized: false },
    });
    await client.ensureDir(directory);
    for (const { path, fileName } of files) {
      const temporary = `.${fileName}.part`;
      await client.uploadFrom(path, temporary);
      await client.rename(temporary, fileName);
    }
  } finally {
    client.close();
  }
}

async function toSftp(server: Values, directory: string, files: readonly FileToDeliver[]): Promise<void> {
  const client = new SshClient();
  try {
    await new Promise<void>((done, fail) => {
      client.once('ready', done).once('error', fail);
      client.connect({
        host: String(server.Host),
        port: (server.Port as number | undefined) ?? 22,
        username: String(server.UserName ?? ''),
        password: String(server.Password ?? ''),
        readyTimeout: 20_000,
      });
    });
    const sftp = await new Promise<SFTPWrapper>((done, fail) =>
      client.sftp((error, session) => (error ? fail(error) : done(session))),
    );
    for (const { path, fileName } of files) {
      const temporary = `${directory}/.${fileName}.part`;
      await call((back) => sftp.fastPut(path, temporary, back));
      await call((back) => sftp.rename(temporary, `${directory}/${fileName}`, back));
    }
  } finally {
    client.end();
  }
}

function call(action: (back: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((done, fail) => action((error) => (error ? fail(error) : done())));
}
