import { createHash } from 'node:crypto';
import type { ServerInfo } from '../../../client/http/client.js';
import { page, SCRIPT, STYLE } from '../docs-page.js';
import { openApiDocument } from '../openapi.js';
import { type Call, type Route, stream } from '../route.js';

const tag = 'System';

const sha = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const POLICY = `default-src 'none'; connect-src 'self'; style-src ${sha(STYLE)}; script-src ${sha(SCRIPT)}; base-uri 'none'; frame-ancestors 'none'`;

/** The API described by itself: `/openapi.json` and a page that renders it. */
export function documentRoutes(api: readonly Route[], info: () => ServerInfo): readonly Route[] {
  const html = async ({ res }: Call): Promise<void> => {
    res.set({ 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY }).send(page(info().name));
  };
  const own: Route[] = [
    stream({
      method: 'get',
      path: '/openapi.json',
      id: 'getOpenApi',
      tag,
      summary: 'This description',
      access: 'open',
      errors: [],
      streams: [{ type: 'application/json', schema: { type: 'object' } }],
      async handle({ res }) {
        res.json(openApiDocument([...api, ...own], { title: info().name, version: info().version }));
      },
    }),
    ...['/', '/docs'].map((path) =>
      stream({
        method: 'get',
        path,
        id: path === '/' ? 'home' : 'browse',
        tag,
        summary: 'This description as a page',
        access: 'open',
        errors: [],
        streams: [{ type: 'text/html', schema: { type: 'string' } }],
        handle: html,
      }),
    ),
  ];
  return own;
}
