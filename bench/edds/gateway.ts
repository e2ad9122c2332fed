import { join } from 'node:path';
import { connectHttp, type HttpClient } from '../../src/client/index.js';
import { type Workspace, workspace } from '../core/workspace.js';

/** A whole gateway in front of EDDS, in a process of its own. */
export interface BenchGateway extends Pick<Workspace, 'cpu' | 'growth'> {
  readonly client: HttpClient;
  close(): Promise<void>;
}

export async function benchGateway(wsdl: string): Promise<BenchGateway> {
  const space = await workspace();
  const edds = {
    id: 'solo',
    kind: 'edds',
    domain: ['esa', 'solo'],
    wsdl,
    username: 'ops',
    password: 'ops',
    mission: 'SOL',
    cache: { path: join(space.dir, 'cache') },
    site: { limits: { poll: 50, pollMax: 50 } },
  };
  space.configure({ backends: [edds] });
  const { url } = await space.start();
  const client = connectHttp(url, { key: space.key, idleTimeoutMs: 600_000 });
  return {
    ...{ client, cpu: space.cpu, growth: space.growth },
    async close() {
      await client.close();
      await space.stop();
      await space.remove();
    },
  };
}
