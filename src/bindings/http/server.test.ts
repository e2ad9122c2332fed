import { describe, expect, it } from 'vitest';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { serve } from '../../../test/http/serve.js';

describe('faults of ours', () => {
  it('tell the caller nothing but the request id, and the log everything but the key', async () => {
    const gateway = fakeGateway();
    gateway.catalogue.types = async () => {
      throw new TypeError('secret detail of the inside');
    };
    const { fetch, logs } = await serve(gateway);
    const response = await fetch('/api/v1/types', { headers: { 'X-Request-Id': 'trace-1' } });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toContain('secret detail');
    expect(JSON.parse(text)).toMatchObject({ code: 'Internal', class: 'fatal', requestId: 'trace-1' });
    const failed = logs()
      .split('\n')
      .filter((line) => line.includes('secret detail'));
    expect(failed).toHaveLength(1);
    expect(JSON.parse(failed[0]!)).toMatchObject({ requestId: 'trace-1', level: 50 });
    expect(logs()).not.toContain('ops-key');
  });

  it('keep keys and signatures out of the log', async () => {
    const { fetch, logs } = await serve(fakeGateway(), { publicUrl: 'https://x', linkSecret: 's'.repeat(32) });
    await fetch('/api/v1/types', { key: 'mpd_guessed-secret' });
    await fetch('/dl/local/1/a?as=ops&expires=1&sig=signature-secret', { key: null });
    expect(logs()).toContain('/dl/local/1/a');
    expect(logs()).not.toMatch(/guessed-secret|signature-secret/);
  });

  it('a request id that could forge a log line is replaced', async () => {
    const { fetch } = await serve(fakeGateway());
    const given = 'x'.repeat(100);
    expect((await fetch('/healthz', { headers: { 'X-Request-Id': given } })).headers.get('x-request-id')).toMatch(
      /^[\da-f-]{36}$/,
    );
  });
});

describe('browsers', () => {
  it('get headers that keep pages from running, framing or guessing', async () => {
    const { fetch } = await serve(fakeGateway());
    const { headers } = await fetch('/api/v1/types');
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(headers.has('x-powered-by')).toBe(false);
    expect(headers.has('access-control-allow-origin')).toBe(false);
  });

  it('of a configured origin may call, others not', async () => {
    const { fetch } = await serve(fakeGateway(), { corsOrigins: ['https://console.example'] });
    const preflight = (Origin: string) =>
      fetch('/api/v1/orders', {
        method: 'OPTIONS',
        key: null,
        headers: { Origin, 'Access-Control-Request-Method': 'POST' },
      });
    const allowed = await preflight('https://console.example');
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://console.example',
    ]);
    expect(allowed.headers.get('access-control-allow-headers')).toContain('Last-Event-ID');
    const other = await preflight('https://evil.example');
    expect([other.status, other.headers.get('access-control-allow-origin'), other.headers.get('vary')]).toEqual([
      204,
      null,
      'Origin',
    ]);
  });
});

describe('health', () => {
  it('is 503 with each reason when not ready, without a key', async () => {
    const gateway = fakeGateway();
    const { fetch } = await serve(gateway);
    expect((await fetch('/readyz', { key: null })).status).toBe(200);
    gateway.health = async () => ({
      ready: false,
      parts: [{ kind: 'backend', id: 'solo', ok: false, reason: 'no route; start it' }],
    });
    const response = await fetch('/readyz', { key: null });
    expect([response.status, await response.json()]).toEqual([
      503,
      { ready: false, parts: [{ kind: 'backend', id: 'solo', ok: false, reason: 'no route; start it' }] },
    ]);
    expect(await (await fetch('/healthz', { key: null })).json()).toEqual({ status: 'alive' });
  });

  it('metrics count requests by route, for operators', async () => {
    const { fetch } = await serve(fakeGateway([product('a', 'x')]));
    await fetch('/api/v1/products/local/1/a');
    await fetch('/api/v1/products/local/1/none');
    const text = await (await fetch('/metrics')).text();
    expect(text).toContain('mpd_http_requests_total{route="/api/v1/products/{ref+}",method="GET",status="200"} 1');
    expect(text).toContain('mpd_http_requests_total{route="/api/v1/products/{ref+}",method="GET",status="404"} 1');
    const open = await serve(fakeGateway(), { openMetrics: true });
    expect((await open.fetch('/metrics', { key: null })).status).toBe(200);
  });
});
