import type { Command } from 'commander';
import type { GatewayConfig } from '../../config/index.js';
import { createAccess } from '../../gateway/access/access.js';
import type { Access, ApiKeyInfo } from '../../gateway/api.js';
import { formatTime } from '../../mal/index.js';
import { duration } from '../input/arguments.js';
import { type ConfigOptions, configOption, readConfig } from '../local/config.js';
import { type LocalStore, withStore } from '../local/store.js';
import { humanTime } from '../output/human.js';
import type { Column } from '../output/table.js';
import type { Local, Runner } from '../runner.js';

const columns: readonly Column<ApiKeyInfo>[] = [
  { head: 'KEY', text: ({ id }) => id },
  { head: 'PRINCIPAL', text: ({ principal }) => principal },
  { head: 'LABEL', text: ({ label }) => label },
  { head: 'CREATED', text: ({ createdAt }) => humanTime(createdAt) },
  { head: 'USED', text: ({ usedAt }) => humanTime(usedAt) },
  { head: 'STATE', text: stateOf },
];

function stateOf({ revokedAt, expiresAt }: ApiKeyInfo): string {
  if (revokedAt !== null) return `revoked ${humanTime(revokedAt)}`;
  if (expiresAt === null) return 'valid';
  return expiresAt < BigInt(Date.now()) * 1_000_000n
    ? `expired ${humanTime(expiresAt)}`
    : `valid until ${humanTime(expiresAt)}`;
}

const encode = (key: ApiKeyInfo): unknown =>
  Object.fromEntries(
    Object.entries(key).map(([name, value]) => [name, typeof value === 'bigint' ? formatTime(value) : value]),
  );

export function keyCommands(program: Command, { local }: Runner): void {
  const keys = program.command('keys').description('API keys of HTTP consumers; kept as hashes in the database.');

  local<ConfigOptions & { label?: string; expires?: number }>(
    configOption(
      keys.command('create').argument('<principal>', 'whose key').description('Make a key. It is shown once.'),
    )
      .option('--label <text>', 'what it is for')
      .option('--expires <duration>', 'no longer good after, e.g. 90d', duration),
    ['mpd-gateway keys create operator', 'mpd-gateway keys create partner-a --label "nightly pull" --expires 90d'],
    async (tools, options, principal: string) => {
      const { id, key } = await withAccess(tools, options, async (access) =>
        access.createKey(principal, {
          ...(options.label === undefined ? {} : { label: options.label }),
          ...(options.expires === undefined ? {} : { expiresAt: BigInt(Date.now() + options.expires) * 1_000_000n }),
        }),
      );
      if (tools.out.json) return tools.out.value({ id, principal, key });
      await tools.out.say(key);
      await tools.out.note(
        `key ${id} of ${principal}; it is not shown again. Use it with: export MPD_GATEWAY_KEY=${key}`,
      );
    },
  );

  local<ConfigOptions & { principal?: string }>(
    configOption(
      keys.command('list').description('Keys and when they were used; the keys themselves are not kept.'),
    ).option('--principal <id>', 'of this principal'),
    ['mpd-gateway keys list', 'mpd-gateway keys list --principal partner-a --json'],
    async (tools, options) => {
      const found = await withAccess(tools, options, (access) => access.listKeys(options.principal));
      await tools.out.list(found, columns, encode, 'no keys');
    },
  );

  local<ConfigOptions>(
    configOption(
      keys
        .command('revoke')
        .argument('<key>', 'key id, as `keys list` shows it')
        .description('Refuse a key from now on.'),
    ),
    ['mpd-gateway keys revoke 5f0c2ab91d3e'],
    async (tools, options, id: string) => {
      await withAccess(tools, options, (access) => access.revokeKey(id));
      await (tools.out.json ? tools.out.value({ revoked: id }) : tools.out.say(`${id} revoked`));
    },
  );
}

async function withAccess<T>(tools: Local, options: ConfigOptions, work: (access: Access) => Promise<T>): Promise<T> {
  const { config } = await readConfig(options, tools);
  return withStore(config, tools.signal, async ({ store }) => {
    const access = createAccess(store.db);
    await knowPrincipals(config, store, access);
    return work(access);
  });
}

/** In a fresh database the principals of gateway.yaml are not there yet; later the gateway keeps them. */
async function knowPrincipals(config: GatewayConfig, store: LocalStore['store'], access: Access): Promise<void> {
  const known = await store.db.selectFrom('principal').select('id').limit(1).executeTakeFirst();
  if (known === undefined) await access.syncConfigured(config.access.principals);
}
