import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { targetConformance } from '../../../test/conformance/index.js';
import { isTemporaryName } from '../../gateway/delivery/file-name.js';
import type { DeliveryTarget, SourceBody } from '../../gateway/target.js';
import { createTarget, fileTarget } from './index.js';

let root: string;
let outside: string;
let places = 0;
beforeAll(async () => {
  const base = await mkdtemp(join(tmpdir(), 'mpd file target '));
  root = join(base, 'root');
  outside = join(base, 'root-outside');
  await mkdir(root);
  await mkdir(outside);
});
afterAll(() => rm(dirname(root), { recursive: true, force: true }));

targetConformance('file', {
  create: async () => fileTarget([root]),
  async place() {
    const folder = join(root, `place ${++places} #%`);
    await mkdir(folder);
    return {
      uri: pathToFileURL(folder),
      list: async () => {
        const found = await readdir(folder, { recursive: true, withFileTypes: true });
        return found
          .filter((item) => !item.isDirectory())
          .map((item) => join(item.parentPath, item.name).slice(folder.length + 1));
      },
      read: async (name) => new Uint8Array(await readFile(join(folder, name))),
      async write(name, content) {
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), content);
      },
      makeFolder: async (name) => void (await mkdir(join(folder, name))),
      async corrupt() {
        const [temporary] = (await readdir(folder)).filter((name) => isTemporaryName(name));
        const handle = await open(join(folder, temporary!), 'r+');
        const byte = Buffer.alloc(1);
        await handle.read(byte, 0, 1, 1000);
        byte[0]! ^= 1;
        await handle.write(byte, 0, 1, 1000);
        await handle.close();
      },
      remove: () => rm(folder, { recursive: true, force: true }),
    };
  },
  refused: [
    [() => pathToFileURL(outside).href, /outside the folders/],
    [() => `${pathToFileURL(root).href}/../root-outside`, /outside the folders/],
    [() => `${pathToFileURL(root).href}/%2e%2e/root-outside`, /outside the folders/],
    [() => `${pathToFileURL(root).href}/a%2F..%2F..%2Froot-outside`, /encoded \/ characters/],
    [() => 'file:///', /outside the folders/],
    [() => 'file://elsewhere/share', /no file on this machine/],
    [() => `${pathToFileURL(root).href}?x`, /query/],
  ],
  notYet: () => [`${pathToFileURL(root).href}/later`, /later: no such directory/],
});

describe('file target', () => {
  let target: DeliveryTarget;
  beforeEach(() => {
    target = fileTarget([root]);
  });
  const put = (uri: string | URL, name: string, text = 'x', overwrite = true) =>
    target.put(new URL(uri), name, text_(text), {
      verify: 'readback',
      overwrite,
      deliveryId: 'd',
      epoch: 1,
      signal: new AbortController().signal,
    });

  it('refuses a folder that is a link out of the root, in the URI and in a sub-folder', async () => {
    await symlink(outside, join(root, 'out'));
    await expect(put(`${pathToFileURL(root)}/out`, 'f')).rejects.toMatchObject({
      class: 'refuse',
      message: expect.stringMatching(/symbolic link/),
    });
    await expect(put(pathToFileURL(root), 'out/f')).rejects.toMatchObject({
      class: 'refuse',
      message: expect.stringMatching(/symbolic link/),
    });
    expect(await target.probe(new URL(`${pathToFileURL(root)}/out`), new AbortController().signal)).toMatchObject({
      status: 'refused',
    });
    await expect(
      target.stat(pathToFileURL(root), 'out/f', { checksum: false, signal: new AbortController().signal }),
    ).rejects.toMatchObject({ class: 'refuse' });
    expect(await readdir(outside)).toEqual([]);
  });

  it('follows a link that stays inside the root', async () => {
    await mkdir(join(root, 'real'));
    await symlink(join(root, 'real'), join(root, 'current'));
    await put(`${pathToFileURL(root)}/current`, 'f', 'hello');
    expect(await readFile(join(root, 'real/f'), 'utf8')).toBe('hello');
  });

  it('replaces a link of the final name instead of writing through it, and never takes it for a delivered file', async () => {
    await writeFile(join(outside, 'victim'), 'untouched');
    await symlink(join(outside, 'victim'), join(root, 'name'));
    expect(
      await target.stat(pathToFileURL(root), 'name', { checksum: true, signal: new AbortController().signal }),
    ).toBeNull();
    await expect(put(pathToFileURL(root), 'name', 'untouched', false)).rejects.toMatchObject({ class: 'refuse' });
    await put(pathToFileURL(root), 'name', 'new');
    expect(await readFile(join(root, 'name'), 'utf8')).toBe('new');
    expect(await readFile(join(outside, 'victim'), 'utf8')).toBe('untouched');
    await rm(join(outside, 'victim'));
  });

  it('says that the folder does not exist, class retry: it may be made later', async () => {
    await expect(put(`${pathToFileURL(root)}/absent`, 'f')).rejects.toMatchObject({
      code: 'Delivery Failed',
      class: 'retry',
      message: `${join(root, 'absent')}: no such directory`,
    });
  });

  it('tells a root that is not there from its health', async () => {
    const health = await fileTarget([join(root, 'gone')]).check();
    expect(health).toMatchObject({ ok: false, reason: expect.stringContaining('gone: no such directory') });
  });

  it('takes roots from the configuration and from named targets, and names a rule without root', async () => {
    const dependencies = {} as never;
    const configured = await createTarget(
      {
        allow: [{ scheme: 'file', root }],
        named: { o: { uri: pathToFileURL(outside).href } },
        inlineCredentials: false,
      },
      dependencies,
    );
    for (const folder of [root, outside])
      expect(await configured.probe(pathToFileURL(folder), new AbortController().signal)).toEqual({ status: 'ok' });
    await expect(
      createTarget({ allow: [{ scheme: 'file' }], named: {}, inlineCredentials: false }, dependencies),
    ).rejects.toThrow(/targets\.allow\[0\]\.root/);
  });

  it('allows the whole file system when the root is /', async () => {
    expect(await fileTarget(['/']).probe(pathToFileURL(root), new AbortController().signal)).toEqual({ status: 'ok' });
  });

  describe.skipIf(!canMount())('on a file system of 64 KiB (skipped without the right to mount)', () => {
    let small: string;
    beforeAll(async () => {
      small = join(root, 'small');
      await mkdir(small);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
    });
    afterAll(() => void execFileSync('umount', [small]));

    it('a full disk is target-down with the reason, nothing is left, and the probe says notYet while it is full', async () => {
      await expect(put(pathToFileURL(small), 'big', 'x'.repeat(100_000))).rejects.toMatchObject({
        class: 'target-down',
        message: `${small}: no space left on the target`,
      });
      expect(await readdir(small)).toEqual([]);
      await writeFile(join(small, 'fill'), 'x'.repeat(65_536)).catch((error) => expect(error.code).toBe('ENOSPC'));
      expect(await target.probe(pathToFileURL(small), new AbortController().signal)).toMatchObject({
        status: 'notYet',
        reason: expect.stringMatching(/no space/),
      });
      await rm(join(small, 'fill'));
      expect(await target.probe(pathToFileURL(small), new AbortController().signal)).toEqual({ status: 'ok' });
    });

    it('read-only is target-down with the reason; the probe refuses it', async () => {
      execFileSync('mount', ['-o', 'remount,ro', small]);
      try {
        await expect(put(pathToFileURL(small), 'f')).rejects.toMatchObject({
          class: 'target-down',
          message: expect.stringMatching(/read-only/),
        });
        expect(await target.probe(pathToFileURL(small), new AbortController().signal)).toMatchObject({
          status: 'refused',
          reason: expect.stringMatching(/read-only/),
        });
      } finally {
        execFileSync('mount', ['-o', 'remount,rw', small]);
      }
    });
  });
});

const text_ = (text: string): SourceBody => ({
  size: Buffer.byteLength(text),
  stream: (async function* () {
    yield new TextEncoder().encode(text);
  })(),
});

function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}
