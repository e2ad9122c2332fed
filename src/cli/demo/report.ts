import { humanSize } from '../output/human.js';
import type { Output } from '../output/output.js';
import { harmless } from '../output/table.js';
import type { DemoEvent } from './watch.js';
import { DOMAIN, type Workspace } from './workspace.js';

export interface Ready {
  readonly urls: Readonly<Record<string, string>>;
  readonly key: string;
  readonly order: bigint;
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
    async ready({ urls, key, order, workspace, generates }) {
      const { products, delivered, root } = workspace;
      if (out.json)
        return out.value({ event: 'ready', urls: allUrls(urls), key, order: Number(order), products, delivered, root });
      await out.say('');
      await out.say(
        `  products   ${products}${generates ? '   (a telemetry file every second or so)' : '   (your folder)'}`,
      );
      await out.say(`  delivered  ${delivered}   (order ${order} delivers here)`);
      for (const [name, url] of Object.entries(allUrls(urls))) await out.say(`  ${name.padEnd(9)}  ${url}`);
      await out.say(`  key        ${key}   (of operator; shown this once)`);
      await out.say('');
    },
    async event(event) {
      if (out.json) return out.value({ ...event, at: new Date().toISOString() });
      await out.say(`  ${new Date().toISOString().slice(11, 19)}  ${event.event.padEnd(9)}  ${words(event)}`);
    },
    async next({ urls, key, order }) {
      const url = urls.http ?? '';
      const base = apiBase(url);
      await out.say(`
  That was the whole way: folder → journal → order → transfer → read back → compared. Try, in another terminal:

    export MPD_GATEWAY_URL=${url} MPD_GATEWAY_KEY=${key}
    npm run mpd-gateway -- products list --domain '${DOMAIN}.*' --limit 5
    npm run mpd-gateway -- orders show ${order}
    npm run mpd-gateway -- orders missing ${order}
    curl -H "Authorization: Bearer $MPD_GATEWAY_KEY" '${base}/products?attr.gaps=1..&limit=3'
    curl -N -H 'Accept: text/event-stream' -H "Authorization: Bearer $MPD_GATEWAY_KEY" ${base}/events

  Ctrl-C stops everything.
`);
    },
  };
}

function words(event: DemoEvent): string {
  const product = harmless(event.product);
  if (event.event === 'matched') return `${product} by order ${event.order}`;
  if (event.event === 'delivered') return `${product}  ${humanSize(event.bytes)}`;
  if (event.event === 'verified') return `${product}  sha-256 ${event.sha256.slice(0, 16)}…`;
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
