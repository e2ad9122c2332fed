import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recipe } from './catalogue.js';
import { cacheDir, runDir, scriptDir } from './paths.js';
import { processOf, run, spawnServer, until } from './processes.js';

const healthy = async (url: string): Promise<boolean> => {
  const response = await fetch(`${url}/_cluster/health?wait_for_status=yellow&timeout=1s`);
  return response.ok && ((await response.json()) as { timed_out: boolean }).timed_out === false;
};

/** Elasticsearch: Elastic's integ-test distribution from Maven Central on the installed Java. */
export function elasticsearch(name: string, version: string): Recipe {
  const home = join(cacheDir, 'elasticsearch', `elasticsearch-${version}`);
  return {
    environment: `MPD_TEST_${name.toUpperCase()}`,
    container: {
      image: `docker.elastic.co/elasticsearch/elasticsearch:${version}`,
      port: 9200,
      env: {
        'discovery.type': 'single-node',
        'xpack.security.enabled': 'false',
        'ingest.geoip.downloader.enabled': 'false',
        'cluster.routing.allocation.disk.threshold_enabled': 'false',
        ES_JAVA_OPTS: '-Xms512m -Xmx512m',
      },
      service: (port) => ({ name, url: `http://127.0.0.1:${port}`, version }),
    },
    missing: () => (existsSync(join(home, 'lib')) ? undefined : `not installed: run .ci/services ${name}`),
    healthy: (service) => healthy(service.url),
    async start() {
      const dir = runDir(name);
      const out = await run(join(scriptDir, 'elasticsearch', 'start.sh'), [home, dir]);
      const [pid, port] = out.trim().split(' ').map(Number);
      if (!pid || !port) throw new Error(`elasticsearch did not start: ${out}`);
      const process = processOf(pid);
      const url = `http://127.0.0.1:${port}`;
      await until(() => healthy(url), name, { process, log: join(dir, 'start.log') });
      return { service: { name, url, version }, process };
    },
  };
}

/** OpenSearch 2 as a small Java program over Maven Central's jars; has the modules the Elasticsearch zip lacks. */
export function opensearch(name: string, version: string): Recipe {
  const home = join(cacheDir, 'opensearch');
  const classpath = join(home, 'target', 'cp.txt');
  return {
    environment: `MPD_TEST_${name.toUpperCase()}`,
    container: {
      image: `opensearchproject/opensearch:${version}`,
      port: 9200,
      env: {
        'discovery.type': 'single-node',
        DISABLE_SECURITY_PLUGIN: 'true',
        OPENSEARCH_JAVA_OPTS: '-Xms512m -Xmx512m',
      },
      service: (port) => ({ name, url: `http://127.0.0.1:${port}`, version }),
    },
    missing: () => (existsSync(classpath) ? undefined : `not installed: run .ci/services ${name}`),
    healthy: (service) => healthy(service.url),
    async start() {
      const dir = runDir(name);
      const log = join(dir, 'server.log');
      const path = `${join(home, 'target', 'classes')}:${readFileSync(classpath, 'utf8').trim()}`;
      const process = spawnServer('java', ['-Xms256m', '-Xmx256m', '-cp', path, 'BenchNode', join(dir, 'home')], log);
      let port = '';
      const ready = async (): Promise<boolean> => {
        port = /^PORT (\d+)$/m.exec(readFileSync(log, 'utf8'))?.[1] ?? '';
        return port !== '' && healthy(`http://127.0.0.1:${port}`);
      };
      await until(ready, name, { process, log });
      return { service: { name, url: `http://127.0.0.1:${port}`, version }, process };
    },
  };
}
