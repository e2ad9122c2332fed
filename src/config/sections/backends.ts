import { z } from 'zod';
import { choice, flag, name, path, text } from '../fields.js';

const PART = /^[^\s"\\]{1,200}$/;
const part = z.string({ error: 'expected a domain part' }).regex(PART, 'a domain part is a text without blanks');
const prefix = z.array(part).meta({ kind: 'domain' });

/** `[esa, solo]`, or several: `[[esa, solo], [esa, juice]]`; `[]` = what nobody else owns. */
const domain = z
  .union([prefix, z.array(prefix).min(1)], { error: 'expected a domain such as [esa, solo], or a list of domains' })
  .transform((value): readonly (readonly string[])[] =>
    value.length > 0 && Array.isArray(value[0]) ? (value as string[][]) : [value as string[]],
  )
  .meta({
    kind: 'domain, or list of domains',
    description:
      'Domain prefixes this backend owns, `[esa, solo]` or `[[esa, solo], [esa, juice]]`; `[]` = all that nobody else owns.',
  });

export const BACKEND_KINDS = ['archive', 'edds', 'datadrive', 'mpd', 'module'] as const;

/** One entry of `backends:` as the adapter gets it. */
export interface BackendConfig {
  readonly id: string;
  readonly kind: (typeof BACKEND_KINDS)[number];
  /** The first prefix: the domain of products that name none. */
  readonly domain: readonly string[];
  readonly domains: readonly (readonly string[])[];
  readonly enabled: boolean;
  readonly mapping?: string | undefined;
  readonly module?: string | undefined;
  readonly [key: string]: unknown;
}

/** What every backend has; the keys of its kind are passed through to the adapter, which checks them. */
export const backendField = z
  .looseObject({
    id: name('Name of the backend; keep it, the journal refers to it.'),
    kind: choice('The adapter; `module` loads one of yours.', BACKEND_KINDS),
    domain,
    enabled: flag('false: as if it were not there, its history stays.').prefault(true),
    mapping: path(
      'Mapping table, of yours or one that the package brings (`mappings/archive.yaml`). Absent: the one of its kind.',
    ).optional(),
    module: path('For kind `module`: the JavaScript file or package that exports createBackend.').optional(),
  })
  .transform((entry): BackendConfig => ({ ...entry, domain: entry.domain[0] ?? [], domains: entry.domain }));

export const backendsSection = z
  .array(backendField)
  .prefault([{ id: 'local', kind: 'archive', domain: ['local'], path: './products' }])
  .meta({
    description:
      'The product systems behind the gateway. Further keys belong to the kind and are checked by its adapter.',
  });

const allowed = z
  .looseObject({
    scheme: text('URI scheme, e.g. file, sftp, https.', 'scheme').regex(
      /^[a-z][a-z0-9+.-]*$/,
      'must be a URI scheme in lower case',
    ),
    host: text('Host name or `*.example.int`; every scheme but file needs one.').optional(),
    root: path('For file: the folder below which everything stays.').optional(),
  })
  .refine((value) => value.scheme !== 'file' || value.root !== undefined, {
    path: ['root'],
    error: 'is needed for scheme file: the folder below which deliveries stay',
  })
  .refine((value) => value.scheme === 'file' || value.host !== undefined, {
    path: ['host'],
    error: 'is needed: the host name that deliveries may go to',
  });

const named = z.looseObject({
  uri: text('Where deliveries go, without a password.', 'URI').refine(
    (value) => URL.canParse(value),
    'must be a URI such as sftp://user@host/folder',
  ),
});

export const targetsSection = z
  .strictObject({
    allow: z
      .array(allowed)
      .prefault([{ scheme: 'file', root: './delivered' }])
      .meta({ description: 'Where orders may deliver to; everything else is refused.' }),
    named: z.record(z.string(), named).default({}).meta({
      description:
        'Targets with credentials (`username`, `password`, `key`, `hostKey` …), used as `deliverTo: named:NAME` or `named:NAME/sub/folder`.',
    }),
    inlineCredentials: flag(
      'Accept passwords inside deliverTo; they are sealed in the store and hidden everywhere.',
    ).prefault(false),
    modules: z
      .array(path('File or package that exports createTarget.'))
      .default([])
      .meta({ description: 'Targets of your own, for further URI schemes.' }),
  })
  .prefault({})
  .meta({ description: 'Where files are delivered.' });
