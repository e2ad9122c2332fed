import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../config/index.js';
import { MAL_ERRORS } from '../mal/index.js';
import { MPD_ERRORS } from '../mpd/index.js';
import type { Context } from './context.js';
import { EXIT, EXIT_MEANING, EXIT_OF } from './exit-codes.js';
import { buildProgram } from './program.js';
import { runCli } from './testing.js';

const NOWHERE = { MPD_GATEWAY_URL: 'http://127.0.0.1:1' };
const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
const nameOf = (command: Command): string =>
  command.parent === null ? '' : `${nameOf(command.parent)} ${command.name()}`.trim();
const all = leaves(buildProgram({} as Context, () => undefined));

describe('every command', () => {
  it.each(all.map((command) => [nameOf(command)]))('%s --help explains itself with examples', async (name) => {
    const { code, stdout } = await runCli([...name.split(' '), '--help']);
    expect(code).toBe(EXIT.ok);
    expect(stdout).toContain('Examples:\n  $ mpd-gateway ');
    expect(stdout).toMatch(/Usage: mpd-gateway .+\n\n\S.{10}/);
  });

  it('is there: what works here and what talks to a gateway', () => {
    expect(all.map(nameOf)).toEqual([
      'serve',
      'demo',
      'config check',
      'config schema',
      'config show',
      'keys create',
      'keys list',
      'keys revoke',
      'store status',
      'store export',
      'store import',
      'doctor',
      'simulate edds',
      'simulate datadrive',
      'types',
      'products list',
      'products show',
      'products get',
      'products deliver',
      'products folders',
      'orders submit',
      'orders list',
      'orders show',
      'orders upstream',
      'orders pause',
      'orders resume',
      'orders cancel',
      'orders replay',
      'orders backfill',
      'orders deliveries',
      'orders delivery',
      'orders missing',
      'orders redrive',
      'orders pull',
      'filters list',
      'filters get',
      'filters put',
      'filters delete',
      'filters import',
      'events',
      'services',
      'mappings',
    ]); // prettier-ignore
  });

  it('knows an exit code for every error of the standard, and says what it means', async () => {
    for (const { name } of [...MAL_ERRORS, ...MPD_ERRORS]) expect(Object.values(EXIT)).toContain(EXIT_OF[name]);
    const { stdout } = await runCli(['--help']);
    const guide = readFileSync(join(PACKAGE_ROOT, 'docs/operator-guide.md'), 'utf8');
    for (const [name, meaning] of Object.entries(EXIT_MEANING)) {
      expect(stdout).toContain(meaning);
      expect(guide).toContain(`| ${EXIT[name as keyof typeof EXIT]} | ${meaning} |`);
    }
  });
});

describe('wrong command lines end with exit code 2 and one line that names what is wrong', () => {
  it.each([
    ['products lst', "unknown command 'lst'"],
    ['products list --typ TM', "unknown option '--typ'"],
    [
      'products list --limit 0',
      "option '-n, --limit <count>' argument '0' is invalid. expected a whole number above 0.",
    ],
    ['products list --created yesterday', "argument 'yesterday' is invalid."],
    ['products list --created 2026-02-01T00:00:00Z/2026-01-01T00:00:00Z', 'the window ends before it starts'],
    ['products list --domain a..b', 'expected parts joined by dots'],
    ['products list --url ftp://x', '--url: expected http://…, https://…, maltcp://… or malhttp://…, not "ftp://x"'],
    ['products list --key-file /nope', '--key-file: /nope cannot be read (ENOENT)'],
    ['products list --tree {', '--tree: is neither JSON nor YAML'],
    ['products list --tree {colour:red}', '--tree: colour:red: unknown; expected one of all, any,'],
    ['products list --tree @/nope', '--tree: /nope cannot be read (ENOENT)'],
    ['products get somewhere', 'expected a product as domain/version/key or domain:key, not "somewhere"'],
    ['products get a:b c:d -o -', '--output -: takes one product only'],
    ['products deliver a:b', "required option '--to <uri>' not specified"],
    ['orders show seven', 'order: expected a number above 0, not "seven"'],
    ['orders list --state lazy', '--state: expected one of active, paused'],
    ['orders submit --method pigeon', '--method: expected file, complete, metadata, not "pigeon"'],
    ['orders submit --backfill soon', '--backfill: expected created:, content: or available:'],
    ['orders submit --deadline never', "argument 'never' is invalid. expected a duration such as 30s"],
    ['orders replay 7', 'say one of --created, --content, --available or --all'],
    ['orders redrive 7', 'name the deliveries, or say --dead'],
    ['filters put x', 'say what the filter selects'],
    ['events --type noise', '--type: expected one of'],
    ['simulate edds --port 99999', 'expected a port, 0 to 65535'],
    ['config check --config /nope', '/nope cannot be read (ENOENT)'],
    ['demo --dir /nope', '--dir: /nope is no folder'],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr } = await runCli(line.split(' '), { env: NOWHERE });
    expect(stderr).toContain(message);
    expect(stderr.split('\n')[0]).toMatch(/^mpd-gateway: /);
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
    expect(code).toBe(EXIT.usage);
  });
});

describe('a gateway that is not there', () => {
  it('ends with exit code 8 and the address', async () => {
    const { code, stderr } = await runCli(['types'], { env: NOWHERE });
    expect(stderr).toMatch(/^mpd-gateway: .*http:\/\/127\.0\.0\.1:1.*\n$/);
    expect(code).toBe(EXIT.unreachable);
  });

  it('shows the stack with --debug only', async () => {
    const { stderr } = await runCli(['types', '--debug'], { env: NOWHERE });
    expect(stderr).toContain('    at ');
  });
});
