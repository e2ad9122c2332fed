import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog, type LogOptions, withoutSecrets } from './log.js';
import { deliveryFailed } from './mpd/index.js';

function logged(write: (log: ReturnType<typeof createLog>) => void, options: Partial<LogOptions> = {}): string {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  write(createLog({ level: 'debug', format: 'json', stream, ...options }));
  return lines.join('');
}

const KEY = `mpd_0123456789ab_${'s3cret-'.repeat(6)}x`;

describe('a log line', () => {
  it('is one JSON object with level, time and what was given', () => {
    const text = logged((log) => log.child({ delivery: '7' }).warn({ bytes: 5 }, 'slow'));
    expect(text).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(text)).toMatchObject({
      level: 'warn',
      delivery: '7',
      bytes: 5,
      msg: 'slow',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  it('is not written below the level', () => {
    expect(logged((log) => log.info('x'), { level: 'warn' })).toBe('');
    expect(logged((log) => log.fatal('x'), { level: 'silent' })).toBe('');
  });

  it('reads well for people', () => {
    const text = logged((log) => log.info({ url: 'http://127.0.0.1:8080' }, 'ready'), { format: 'pretty' });
    expect(text).toMatch(/\d\d:\d\d:\d\d.*INFO.*: ready\n.*url: "http:\/\/127\.0\.0\.1:8080"/);
  });

  it('tells an error with its causes and plain fields, not with the objects that hang on it', () => {
    const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET', socket: { huge: true } });
    const { err } = JSON.parse(
      logged((log) => log.error({ err: deliveryFailed('host down', 'target-down', cause) }, 'failed')),
    );
    expect(err).toMatchObject({
      message: 'host down',
      class: 'target-down',
      cause: { message: 'reset', code: 'ECONNRESET' },
    });
    expect(err.cause).not.toHaveProperty('socket');
  });
});

describe('secrets', () => {
  it.each(['json', 'pretty'] as const)('are cut out by name, in %s', (format) => {
    const text = logged(
      (log) =>
        log.info(
          {
            password: 'hunter2',
            config: { password: 'hunter2', s3: { secretAccessKey: 'hunter2' } },
            req: { headers: { authorization: 'Bearer hunter2', cookie: 'hunter2' } },
          },
          'x',
        ),
      { format },
    );
    expect(text).not.toContain('hunter2');
  });

  it.each(['json', 'pretty'] as const)('are cut out of any text by their look, in %s', (format) => {
    const text = logged(
      (log) => {
        log.info(
          { uri: 'sftp://ops:hunter2@host/in', deep: { list: [`key ${KEY}`] } },
          'to postgres://mpd:hunter2@db/mpd',
        );
        log.error({ err: new Error('cannot connect to https://u:hunter2@host/') }, 'x');
      },
      { format },
    );
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain('s3cret');
    expect(text).toContain('sftp://ops:***@host/in');
    expect(text).toContain('mpd_0123456789ab_***');
  });

  it('leave the rest of a text as it is', () => {
    fc.assert(fc.property(fc.string(), (text) => text.includes('://') || withoutSecrets(text) === text));
    expect(withoutSecrets('https://host:8080/a@b')).toBe('https://host:8080/a@b');
  });
});
