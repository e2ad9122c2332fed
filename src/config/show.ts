import { stringify } from 'yaml';
import { encodeTree } from '../mpd/filter/index.js';
import { written } from './fields.js';
import type { LoadedConfig } from './load.js';
import { pathText } from './problem.js';
import { configSchema } from './schema.js';
import { isSecret, mapLeaves, metaOf, schemaAt } from './walk.js';

export const HIDDEN = '(hidden)';

/** The configuration in force, defaults included, as plain data; no secret in it. */
export function shownConfig({ config, origins }: Pick<LoadedConfig, 'config' | 'origins'>): unknown {
  return mapLeaves(JSON.parse(JSON.stringify(asWritten(config))), (value, path) => {
    if (value === null || value === undefined) return value;
    if (isSecret(configSchema, path)) return origins.get(pathText(path)) ?? HIDDEN;
    if (typeof value === 'string') return withoutPassword(value);
    const schema = schemaAt(configSchema, path);
    const kind = schema === null ? undefined : metaOf(schema).kind;
    return typeof value === 'number' && (kind === 'size' || kind === 'duration') ? written(kind, value) : value;
  });
}

/** Back to the form of the file, where `domain` is one prefix or a list of them. */
function asWritten(config: LoadedConfig['config']): unknown {
  const backends = config.backends.map(({ domain, domains, ...rest }) => ({
    ...rest,
    domain: domains.length === 1 ? domain : domains,
  }));
  const principals = config.access.principals.map(({ policy, ...rest }) => ({
    ...rest,
    ...(policy === null ? {} : { policy: encodeTree(policy) }),
  }));
  return { ...config, backends, access: { ...config.access, principals } };
}

/** `config show`: YAML that the gateway could read again, but for the hidden secrets. */
export const showConfig = (loaded: Pick<LoadedConfig, 'config' | 'origins'>): string =>
  stringify(shownConfig(loaded), { lineWidth: 0 });

/** A URL somewhere in a backend's own keys may carry a password too. */
function withoutPassword(value: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]*:[^/]*@/i.test(value) || !URL.canParse(value)) return value;
  const url = new URL(value);
  url.password = '***';
  return url.href;
}
