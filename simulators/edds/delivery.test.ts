import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseFileName } from '../../src/formats/edds-response/index.js';
import { elementsOf } from '../../src/formats/edds-response/testing.js';
import { describeWithService } from '../../test/services/index.js';
import type { EddsSimulator } from './index.js';
import { session, simulators, TELEMETRY } from './testing-session.js';

const { close, folder, start } = simulators();
let edds: EddsSimulator;
beforeAll(async () => {
  edds = await start();
});
afterAll(close);

describe('delivery', () => {
  const request = (delivery: string) => `${TELEMETRY}<MaxElements>50</MaxElements><Delivery>${delivery}</Delivery>`;

  it('to a folder within the roots: COMPLETED only when all is there, nothing to fetch, no password anywhere', async () => {
    const root = folder();
    const own = await start({ fileRoots: [root] });
    const user = await session(own);
    const id = await user.submit(
      'batchRequest',
      request(
        `<FileServerDelivery><Protocol>FILE</Protocol><Directory>${root}/in</Directory><Password>hidden-7</Password></FileServerDelivery>`,
      ),
    );
    expect((await user.ended(id)).State).toBe('COMPLETED');
    const names = readdirSync(join(root, 'in')).sort();
    expect(names.map((name) => parseFileName(name)?.part)).toEqual([1, 2]);
    expect(await elementsOf(readFileSync(join(root, 'in', names[0]!)))).toHaveLength(50);
    expect((await user.part(id)).code).toBe('NO_SUCH_PART');
    expect((await user.call('getJobs')).text).not.toContain('hidden-7');
  });

  it('that fails: FAILED, DELIVERY_FAILED, a reason', async () => {
    const user = await session(edds);
    const id = await user.submit(
      'batchRequest',
      request(
        '<FileServerDelivery><Protocol>SFTP</Protocol><Host>127.0.0.1</Host><Port>9</Port><Directory>/x</Directory><UserName>u</UserName><Password>hidden-8</Password></FileServerDelivery>',
      ),
    );
    const status = await user.ended(id);
    expect([status.State, status.Error]).toEqual(['FAILED', 'DELIVERY_FAILED']);
    expect(status.Reason).toContain('ECONNREFUSED');
    expect(status.Reason).not.toContain('hidden-8');
  });
});

for (const name of ['openssh', 'proftpd'] as const) {
  await describeWithService(name, 'delivery by SFTP', (server) => {
    it('writes every file complete under its name', async () => {
      const own = await start();
      const user = await session(own);
      const { hostname, port } = new URL(server.url);
      const id = await user.submit(
        'batchRequest',
        `<Name>t${Date.now()}</Name>${TELEMETRY}<Delivery><FileServerDelivery><Protocol>SFTP</Protocol><Host>${hostname}</Host><Port>${port}</Port><Directory>${server.folder}</Directory><UserName>${server.username}</UserName><Password>${server.password}</Password></FileServerDelivery></Delivery>`,
      );
      const status = await user.ended(id);
      expect([status.State, status.Reason]).toEqual(['COMPLETED', '']);
      const file = readdirSync(server.localFolder!).find((one) => one.includes(id))!;
      expect(parseFileName(file)?.part).toBe(1);
      expect(await elementsOf(readFileSync(join(server.localFolder!, file)))).toHaveLength(100);
    });
  });
}
