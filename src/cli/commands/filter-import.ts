import type { Command } from 'commander';
import type { ImportedSearch } from '../../../adapters/datadrive/index.js';
import type { GatewayConfig } from '../../config/index.js';
import type { Gateway, Principal } from '../../gateway/api.js';
import { createLog } from '../../log.js';
import { isMpdError } from '../../mpd/index.js';
import { attachEmbedded } from '../../store/index.js';
import { usage } from '../exit-codes.js';
import { type ConfigOptions, configOption, readConfig } from '../local/config.js';
import type { Column } from '../output/table.js';
import type { Runner } from '../runner.js';

interface ImportOptions extends ConfigOptions {
  readonly backend: string;
  readonly owner?: string;
  readonly index: string;
  readonly dryRun?: boolean;
}

interface Outcome {
  readonly search: string;
  /** `owner/name` at the gateway; null when it was left out. */
  readonly filter: string | null;
  readonly shared: boolean;
  readonly reason: string | null;
}

const columns: readonly Column<Outcome>[] = [
  { head: 'SAVED SEARCH', text: ({ search }) => search },
  { head: 'IMPORTED', text: ({ filter }) => (filter === null ? 'left out' : filter) },
  { head: 'SHARED', text: ({ filter, shared }) => (filter !== null && shared ? 'yes' : 'no') },
  { head: 'REASON', text: ({ reason }) => reason },
];

export function filterImportCommand(filters: Command, { local }: Runner): void {
  local<ImportOptions>(
    configOption(
      filters
        .command('import')
        .description('Saved searches of a DataDrive backend as filters; what cannot be expressed is left out and said.')
        .requiredOption('--backend <id>', 'the backend whose site has them'),
    )
      .option('--owner <principal>', 'whose filters they become (default: the principal named as their owner)')
      .option('--index <name>', 'index that holds them', 'ocs-saved-searches')
      .option('--dry-run', 'say what would be imported, keep nothing'),
    ['mpd-gateway filters import --backend m2020 --dry-run', 'mpd-gateway filters import --backend m2020 --owner ops'],
    async (tools, options) => {
      const { out, signal } = tools;
      const { config } = await readConfig(options, tools);
      const searches = await readFrom(config, options, signal);
      const outcomes = await withGateway(config, signal, (gateway) => importAll(searches, options, gateway));
      await out.list(outcomes, columns, (outcome) => outcome, 'no saved searches');
      const imported = outcomes.filter(({ filter }) => filter !== null).length;
      await out.note(
        `${imported} of ${outcomes.length} ${options.dryRun === true ? 'can be imported' : 'imported'}; where a field has several values, filters compare the first`,
      );
    },
  );
}

async function readFrom(
  config: GatewayConfig,
  { backend, index }: ImportOptions,
  signal: AbortSignal,
): Promise<readonly ImportedSearch[]> {
  const entry = config.backends.find(({ id }) => id === backend);
  if (entry?.kind !== 'datadrive') throw usage(`${backend} is no backend of kind datadrive in the configuration`);
  const { readSavedSearches } = await import('../../../adapters/datadrive/index.js');
  const { createGuard } = await import('../../net/guard.js');
  const { module: _module, ...own } = entry;
  const guard = createGuard({ allow: config.targets.allow });
  try {
    return await readSavedSearches(own, { guard, signal, index });
  } finally {
    guard.close();
  }
}

/** The gateway's own parts on its database, nothing followed or delivered. */
async function withGateway<T>(
  config: GatewayConfig,
  signal: AbortSignal,
  work: (gateway: Gateway) => Promise<T>,
): Promise<T> {
  const url = config.store.url ?? (await attachEmbedded(config.store.dir))?.url;
  const { startGateway } = await import('../../main.js');
  const log = createLog({ level: 'silent', format: 'json' });
  const quiet = { ...config, backends: [], store: { ...config.store, url } };
  const started = await startGateway(quiet, { log, signal, run: false });
  try {
    return await work(started.gateway);
  } finally {
    await started.stop();
  }
}

async function importAll(
  searches: readonly ImportedSearch[],
  options: ImportOptions,
  { access, filters }: Gateway,
): Promise<readonly Outcome[]> {
  const taken = new Map<string, string>();
  const one = async (search: ImportedSearch): Promise<string | { readonly filter: string }> => {
    if (search.tree === null) return search.unsupported.map(({ clause, reason }) => `${reason}: ${clause}`).join('; ');
    const principal = await access.principal(options.owner ?? search.owner);
    const name = safeName(search.name);
    const filter = `${principal.id}/${name}`;
    const mark = `Saved search ${search.owner}/${search.name} of ${options.backend}`;
    const other = taken.get(filter) ?? (await descriptionOf(filter, principal));
    if (other !== undefined && other !== mark) return `there is a filter ${filter} already: ${other || 'not imported'}`;
    taken.set(filter, mark);
    if (options.dryRun !== true)
      await filters.put({ name, filter: search.tree, description: mark, shared: search.general }, principal);
    return { filter };
  };
  const descriptionOf = async (name: string, principal: Principal): Promise<string | undefined> => {
    try {
      return (await filters.get(name, principal)).description ?? '';
    } catch (error) {
      if (isMpdError(error, 'Unknown')) return undefined;
      throw error;
    }
  };
  const outcomes: Outcome[] = [];
  for (const search of searches) {
    const about = { search: `${search.owner}/${search.name}`, shared: search.general };
    try {
      const found = await one(search);
      const isLeftOut = typeof found === 'string';
      outcomes.push({ ...about, filter: isLeftOut ? null : found.filter, reason: isLeftOut ? found : null });
    } catch (error) {
      // Its owner is no principal, the filter is too big, or the quota is full: told, and the others go on.
      if (!isMpdError(error) || error.class !== 'refuse') throw error;
      outcomes.push({ ...about, filter: null, reason: error.message });
    }
  }
  return outcomes;
}

/** As names of filters are: letters, digits, `_`, `.`, `-`, beginning with a letter or digit, at most 100. */
export const safeName = (name: string): string =>
  name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 100)
    .replace(/-+$/, '') || 'search';
