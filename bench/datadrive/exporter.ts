/**
 * The least that any process between the index and an HTTP client does: reads the pages, the next while it writes one, and writes
 * each document as a line of about what a gateway has to say of it, with no mapping, filter or policy. Run as a process of its own
 * with the search server and the aliases as arguments; prints its port.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { http, read } from './bare.js';

const PAGE = 2000;
const [search = '', ...aliases] = process.argv.slice(2);

interface Hit {
  readonly _source: Readonly<Record<string, unknown>>;
  readonly sort: readonly unknown[];
}

async function pageAfter(after: readonly unknown[] | undefined): Promise<readonly Hit[]> {
  const sort = [{ ocs_created_at: 'asc' }, { ocs_dataset_id: 'asc' }];
  const body = { size: PAGE, track_total_hits: false, sort, ...(after && { search_after: after }) };
  const answer = await http(`${search}/${aliases.join(',')}/_search`, { body });
  return (JSON.parse((await read(answer)).toString()) as { hits: { hits: readonly Hit[] } }).hits.hits;
}

/** Every attribute of a type has a definition, which each product repeats. */
const attributeDefs = Array.from({ length: 19 }, (_, i) => ({
  ...{ name: `attribute_${i}`, attributeType: 'STRING', units: null, description: null },
}));
const type = JSON.stringify({ name: 'm2020-spice-kernel', description: 'SPICE kernel', attributeDefs });

function lineOf({ _source: file }: Hit): string {
  const attributes = Object.entries(file).map(([name, value]) => ({ name, value: { type: 'String', value } }));
  const productRef = {
    domain: ['bench', file.ocs_package_name],
    type: 'Product',
    key: file.ocs_dataset_id,
    version: 1,
  };
  const rest = JSON.stringify({
    productRef,
    creationDate: file.ocs_created_at,
    source: file.ocs_created_by,
    attributes,
  });
  return `{"metadata":{"productType":${type},${rest.slice(1)}}\n`;
}

async function writeAll(response: ServerResponse): Promise<void> {
  let next = pageAfter(undefined);
  for (;;) {
    const hits = await next;
    const last = hits.at(-1);
    if (last) next = pageAfter(last.sort);
    for (let at = 0; at < hits.length; at += 50)
      if (
        !response.write(
          hits
            .slice(at, at + 50)
            .map(lineOf)
            .join(''),
        )
      )
        await once(response, 'drain');
    if (!last) break;
  }
  response.end();
}

const server = createServer((_request, response) => void writeAll(response));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
