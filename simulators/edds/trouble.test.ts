import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { elementTime } from '../../src/formats/edds-response/index.js';
import { elementsOf } from '../../src/formats/edds-response/testing.js';
import type { EddsSimulator } from './index.js';
import { all, envelope, rawCall, textOf } from './testing.js';
import { ARCHIVE, PARAMETERS, session, simulators, TELEMETRY } from './testing-session.js';

const { close, folder, start } = simulators();
afterAll(close);

describe('switches', () => {
  it('make calls fail as told, and only as often as told', async () => {
    const own = await start();
    const user = await session(own);
    own.control.inject({ effect: 'fault-200', operation: 'getJobs' });
    const fault = await user.call('getJobs');
    expect([fault.status, textOf(fault.body, 'Code'), textOf(fault.body, 'faultcode')]).toEqual([
      200,
      'INTERNAL',
      's:Server',
    ]);
    own.control.inject({ effect: 'fault-500', operation: 'getJobs' });
    expect((await user.call('getJobs')).status).toBe(500);
    for (const effect of ['reset', 'cut-xml', 'wrong-length', 'unavailable'] as const) {
      own.control.inject({ effect });
      await expect(user.call('getJobs'), effect).rejects.toThrow();
    }
    own.control.inject({ effect: 'lost-answer', operation: 'batchRequest' });
    await expect(user.submit('batchRequest', PARAMETERS)).rejects.toThrow();
    expect(own.control.jobs()).toHaveLength(1);
    own.control.inject({ effect: 'expire-token' });
    expect(await user.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
  });

  it('of jobs and data', async () => {
    const own = await start();
    const user = await session(own);
    const request = TELEMETRY;
    own.control.switches.fail = 'the archive is down';
    const failed = await user.ended(await user.submit('batchRequest', request));
    expect([failed.State, failed.Error, failed.Reason]).toEqual(['FAILED', 'INTERNAL', 'the archive is down']);
    own.control.clear();
    Object.assign(own.control.switches, { emptyPacket: true, outOfOrder: true });
    const { content, id } = await user.fetch('batchRequest', request);
    expect(content.toString().split('<PktRawResponseElement ').length - 1).toBe(100);
    const times = (await elementsOf(content)).map((element) => elementTime(element)!);
    expect(times).toHaveLength(90);
    expect(times.some((time, index) => index > 0 && time < times[index - 1]!)).toBe(true);
    own.control.switches.state = 'PONDERING';
    expect((await user.status(id)).State).toBe('PONDERING');
    own.control.clear();
    const before = (await user.part(id)).name;
    await own.control.reissue(id, 1);
    const after = await user.part(id);
    expect(after.name).not.toBe(before);
    expect(await elementsOf(after.content)).toHaveLength(100);
    own.control.switches.catalogueFiles = 10_000;
    expect(
      all((await user.call('getCatalogue', '<domain>SOL</domain><dataType>File</dataType>')).body, 'entry'),
    ).toHaveLength(10_000);
  });
});

describe('switches over HTTP', () => {
  const control = async (own: EddsSimulator, path: string, body?: object) => {
    const response = await fetch(`${own.controlUrl}/${path}`, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('do what the switches do, count what was asked, and say what is wrong', async () => {
    const own = await start();
    const user = await session(own);
    const id = await user.submit('batchRequest', PARAMETERS);
    await user.ended(id);
    await control(own, 'fault', { effect: 'fault-500', operation: 'getJobs', times: 1 });
    expect((await user.call('getJobs')).status).toBe(500);
    expect((await control(own, 'switches', { state: 'PONDERING' })).body.switches).toMatchObject({
      state: 'PONDERING',
    });
    expect((await user.status(id)).State).toBe('PONDERING');
    await control(own, 'clear', {});
    const { name } = await user.part(id);
    await control(own, 'reissue', { requestId: id, part: 1 });
    expect((await user.part(id)).name).not.toBe(name);
    const { body } = await control(own, 'state');
    expect(body).toMatchObject({
      calls: { getJobs: 1, batchRequest: 1 },
      jobs: [{ id, state: 'COMPLETED', name: null }],
    });
    await control(own, 'expire-tokens', {});
    expect(await user.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
    expect(await control(own, 'fault', { effect: 'thunder' })).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/^effect must be one of fault-500, /) },
    });
    expect((await control(own, 'switches', { stuck: 'yes' })).body.error).toBe('stuck must be boolean');
    expect((await control(own, 'nothing')).status).toBe(404);
  });
});

describe('restart', () => {
  it('keeps jobs, parts and the archive, not the sessions', async () => {
    const state = folder();
    const first = await start({ folder: state });
    const user = await session(first);
    const { id, content, name } = await user.fetch('batchRequest', TELEMETRY);
    first.control.switches.stuck = true;
    const open = await user.submit('batchRequest', PARAMETERS);
    await first.stop();
    const second = await start({ folder: state, archive: { begin: 0 } });
    const again = await session(second);
    expect(await again.part(id)).toMatchObject({ name, content });
    expect((await again.ended(open)).State).toBe('COMPLETED');
    const now = await again.fetch('batchRequest', TELEMETRY);
    expect(now.content.equals(content)).toBe(true);
    expect(textOf((await rawCall(second.url, envelope('getJobs', `<token>${user.token}</token>`))).body, 'Code')).toBe(
      'NOT_AUTHENTICATED',
    );
  });
});

describe('a crash', () => {
  it('takes back nothing that a caller was told: parts show only once they are on the disk', async () => {
    const state = folder();
    const own = await start({ folder: state, archive: { ...ARCHIVE, begin: Date.now() - 10_800_000, end: null } });
    const user = await session(own);
    const id = await user.submit(
      'streamRequest',
      '<Domain>SOL</Domain><DataType>PktTmStream</DataType><PartSeconds>1</PartSeconds>',
    );
    for (let turn = 0; turn < 400; turn++) {
      const shown = own.control.jobs().find((job) => job.id === id)!.parts.length;
      const saved = JSON.parse(readFileSync(join(state, 'state.json'), 'utf8')) as { jobs: { parts: unknown[] }[] };
      expect(saved.jobs[0]?.parts.length ?? 0).toBeGreaterThanOrEqual(shown);
      if (shown >= 2) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect.fail('no two parts came');
  });
});
