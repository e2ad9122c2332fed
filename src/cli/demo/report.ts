import type { EddsSimulator } from '../../../simulators/edds/index.js';
import { humanSize } from '../output/human.js';
import type { Output } from '../output/output.js';
import { harmless } from '../output/table.js';
import type { DemoOrder } from './orders.js';
import type { DemoEvent } from './watch.js';
import { DOMAIN, EDDS_DOMAIN, type Workspace } from './workspace.js';

export interface Ready {
  readonly urls: Readonly<Record<string, string>>;
  readonly key: string;
  /** The first is that of the folder. */
  readonly orders: readonly DemoOrder[];
  readonly edds: Pick<EddsSimulator, 'url' | 'wsdlUrl' | 'users' | 'domains' | 'span'>;
  readonly workspace: Workspace;
  /** false: the user's own folder is served and nothing is made up. */
  readonly generates: boolean;
}

/** What the demo prints: words on a terminal, one JSON event a line with `--json`. */
export interface Report {
  ready(ready: Ready): Promise<void>;
  event(event: DemoEvent): Promise<void>;
  next(ready: Ready): Promise<void>;
}

export function createReport(out: Output): Report {
  return {
    async ready({ urls, key, orders, edds, workspace, generates }) {
      const { products, delivered, root } = workspace;
      const places = { ...allUrls(urls), edds: edds.wsdlUrl };
      if (out.json) {
        const { url, wsdlUrl, users, domains, span } = edds;
        return out.value({
          event: 'ready',
          urls: places,
          key,
          order: Number(orders[0]!.order),
          orders: orders.map((one) => ({ ...one, order: Number(one.order) })),
          edds: { url, wsdlUrl, users, domains, span },
          products,
          delivered,
          root,
        });
      }
      await out.say('');
      await out.say(
        `  products   ${products}${generates ? '   (a telemetry file every second or so)' : '   (your folder)'}`,
      );
      for (const [name, url] of Object.entries(places)) await out.say(`  ${name.padEnd(9)}  ${url}`);
      await out.say(`  key        ${key}   (of operator; shown this once)`);
      for (const { order, backend, over, delivered, what } of orders)
        await out.say(`  order ${String(order).padEnd(3)}  ${backend}, placed over ${over}: ${what} → ${delivered}`);
      await out.say('');
    },
    async event(event) {
      if (out.json) return out.value({ ...event, at: new Date().toISOString() });
      await out.say(`  ${new Date().toISOString().slice(11, 19)}  ${event.event.padEnd(9)}  ${words(event)}`);
    },
    async next({ urls, key, orders, workspace }) {
      const url = urls.http ?? '';
      const base = apiBase(url);
      const [order] = orders;
      const stream = orders.find(({ backend }) => backend === 'edds')!;
      const domain = EDDS_DOMAIN.join('.');
      await out.say(`
  That was the whole way: source → journal → order → transfer → read back → compared. Try, in another terminal:

    export MPD_GATEWAY_URL=${url} MPD_GATEWAY_KEY=${key}
    npm run mpd-gateway -- products list --domain '${DOMAIN}.*' --limit 5
    npm run mpd-gateway -- orders show ${order!.order}
    npm run mpd-gateway -- orders missing ${order!.order}
    curl -H "Authorization: Bearer $MPD_GATEWAY_KEY" '${base}/products?attr.gaps=1..&limit=3'
    curl -N -H 'Accept: text/event-stream' -H "Authorization: Bearer $MPD_GATEWAY_KEY" ${base}/events

  EDDS: what runs there for order ${stream.order}, what can be asked for, and a stream of your own (its folder must be there):

    npm run mpd-gateway -- orders show ${stream.order}
    npm run mpd-gateway -- products list --domain ${domain} --type PktTmRaw --limit 5
    mkdir ${workspace.delivered}/mine
    npm run mpd-gateway -- orders submit --domain ${domain} --type PktTmRaw --attr apid=1436 --to file://${workspace.delivered}/mine

  Ctrl-C stops everything.
`);
    },
  };
}

function words(event: DemoEvent): string {
  const product = harmless(event.product);
  if (event.event === 'matched') return `${product} by order ${event.order}`;
  if (event.event === 'delivered') return `${product}  ${humanSize(event.bytes)}`;
  if (event.event === 'verified') {
    const packets = event.packets === undefined ? '' : `${event.packets} packets, `;
    return `${product}  ${packets}sha-256 ${event.sha256.slice(0, 16)}…`;
  }
  return `${product}: ${harmless(event.reason)}`;
}

const origin = (url: string): string => url.replace(/\/api\/v1\/?$/, '').replace(/\/$/, '');
const apiBase = (url: string): string => `${origin(url)}/api/v1`;

function allUrls(urls: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { http, ...others } = urls;
  if (http === undefined) return others;
  return {
    api: apiBase(http),
    docs: `${origin(http)}/docs`,
    openapi: `${origin(http)}/openapi.json`,
    health: `${origin(http)}/readyz`,
    metrics: `${origin(http)}/metrics`,
    ...others,
  };
}
