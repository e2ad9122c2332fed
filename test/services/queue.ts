import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recipe } from './catalogue.js';
import { cacheDir, freePort, runDir } from './paths.js';
import { spawnServer, until } from './processes.js';

const answers = async (url: string): Promise<boolean> => {
  const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ListQueues' };
  return (await fetch(url, { method: 'POST', headers, body: '{}' })).ok;
};

/** ElasticMQ from Maven Central: queues with the interface of SQS; any key is taken. */
export function elasticmq(name: string, version: string): Recipe {
  const classpath = join(cacheDir, 'elasticmq', 'target', 'cp.txt');
  const username = 'benchkey';
  const password = 'benchsecret';
  return {
    environment: `MPD_TEST_${name.toUpperCase()}`,
    container: {
      image: `softwaremill/elasticmq-native:${version}`,
      port: 9324,
      env: {},
      service: (port) => ({ name, url: `http://127.0.0.1:${port}`, username, password, version }),
    },
    missing: () => (existsSync(classpath) ? undefined : `not installed: run .ci/services ${name}`),
    healthy: (service) => answers(service.url),
    async start() {
      const dir = runDir(name);
      const port = await freePort();
      const log = join(dir, 'server.log');
      const file = join(dir, 'elasticmq.conf');
      writeFileSync(
        file,
        `include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = ${port}, context-path = "" }
rest-sqs { enabled = true, bind-port = ${port}, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
`,
      );
      const path = readFileSync(classpath, 'utf8').trim();
      const main = 'org.elasticmq.server.Main';
      const process = spawnServer('java', ['-Xmx128m', `-Dconfig.file=${file}`, '-cp', path, main], log);
      const url = `http://127.0.0.1:${port}`;
      await until(() => answers(url), name, { process, log });
      return { service: { name, url, username, password, version }, process };
    },
  };
}
