import type { Operation, SiteProfile } from './site.js';

/** What the SOAP library tells of a WSDL: element names to their children or types; names of lists end in `[]`. */
type Described = { readonly [name: string]: Described | string };

/** A name of the profile that the site's WSDL does not have. */
export interface Unresolved {
  /** Place in the profile. */
  readonly key: string;
  readonly name: string;
}

const REQUESTS: Readonly<Record<string, Operation>> = {
  login: 'login',
  batch: 'submitBatch',
  stream: 'submitStream',
  cancel: 'cancel',
  status: 'status',
  list: 'list',
  fetch: 'fetch',
  catalogue: 'catalogue',
};
const RESPONSES: Readonly<Record<string, Operation>> = {
  login: 'login',
  submit: 'submitBatch',
  status: 'status',
  list: 'list',
  fetch: 'fetch',
  catalogue: 'catalogue',
};

/** Holds every name of a profile against the description of a WSDL: services, ports, operations, elements. */
export function unresolvedNames(description: Described, profile: SiteProfile): readonly Unresolved[] {
  const missing: Unresolved[] = [];
  const operations = operationsOf(description, profile, missing);
  if (operations === null) return missing;
  const described = (operation: Operation): { input: Described; output: Described } | null => {
    const name = profile.operations[operation];
    const found = name === undefined ? undefined : operations[name];
    if (found === undefined || typeof found === 'string') return null;
    return { input: childOf(found, 'input') ?? {}, output: childOf(found, 'output') ?? {} };
  };
  for (const [operation, name] of Object.entries(profile.operations)) {
    if (name !== undefined && operations[name] === undefined) missing.push({ key: `operations.${operation}`, name });
  }
  for (const [key, operation] of Object.entries(REQUESTS)) {
    const found = described(operation);
    const paths = profile.requests[key as keyof typeof profile.requests] as
      | Readonly<Record<string, string | undefined>>
      | undefined;
    if (found !== null) look(found.input, paths ?? {}, `requests.${key}`, '', missing);
  }
  for (const [key, operation] of Object.entries(RESPONSES)) {
    const found = described(operation);
    const { root, ...paths } = profile.responses[key as keyof typeof profile.responses] as Readonly<
      Record<string, string | undefined>
    >;
    if (found === null) continue;
    if (root !== undefined) look(found.output, { root }, `responses.${key}`, '', missing);
    look(found.output, paths, `responses.${key}`, root === undefined ? '' : `${root}.`, missing);
  }
  return missing;
}

function operationsOf(description: Described, profile: SiteProfile, missing: Unresolved[]): Described | null {
  const service = profile.service ?? Object.keys(description)[0] ?? '';
  const ports = childOf(description, service);
  if (ports === undefined) {
    missing.push({ key: 'service', name: service });
    return null;
  }
  const port = profile.port ?? Object.keys(ports)[0] ?? '';
  const operations = childOf(ports, port);
  if (operations === undefined) missing.push({ key: 'port', name: port });
  return operations ?? null;
}

function look(
  tree: Described,
  paths: Readonly<Record<string, string | undefined>>,
  key: string,
  under: string,
  missing: Unresolved[],
): void {
  for (const [field, path] of Object.entries(paths)) {
    if (path === undefined) continue;
    let at: Described | string | undefined = tree;
    for (const name of `${under}${path}`.split('.'))
      at = typeof at === 'object' ? (at[name] ?? at[`${name}[]`]) : undefined;
    if (at === undefined) missing.push({ key: `${key}.${field}`, name: `${under}${path}` });
  }
}

function childOf(tree: Described, name: string): Described | undefined {
  const child = tree[name];
  return typeof child === 'object' ? child : undefined;
}
