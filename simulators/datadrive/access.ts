import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { PackageDefinition, PolicyRule, UserDefinition } from './options.js';

/** Who a request comes from. */
export interface Caller {
  readonly user: string;
  readonly groups: readonly string[];
  readonly token: string;
  /** By the cookie's name, as the public client's two modes are told apart. */
  readonly cookie: 'ssosession' | 'mdmsSsoToken';
}

/** Tokens and rights. */
export class Access {
  readonly #tokens = new Map<string, UserDefinition>();
  readonly #expired = new Set<string>();

  constructor(
    readonly users: readonly UserDefinition[],
    readonly rules: readonly PolicyRule[],
  ) {
    for (const user of users) this.#tokens.set(user.token, user);
  }

  /** The caller by either cookie; undefined = log in again. */
  callerOf(request: IncomingMessage): Caller | undefined {
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const [name, ...rest] = part.trim().split('=');
      if (name !== 'ssosession' && name !== 'mdmsSsoToken') continue;
      const token = decodeCookie(rest.join('='));
      const user = this.#tokens.get(token);
      if (user && !this.#expired.has(token)) return { user: user.user, groups: user.groups ?? [], token, cookie: name };
    }
    return undefined;
  }

  /** Tokens that exist now stop working (of one user, or all). */
  expire(user?: string): void {
    for (const [token, owner] of this.#tokens) if (!user || owner.user === user) this.#expired.add(token);
  }

  restore(): void {
    this.#expired.clear();
  }

  /** CAM login; undefined = refused. */
  login(name: string, password: string): string | undefined {
    const user = this.users.find((one) => one.user === name && one.password && one.password === password);
    if (!user) return undefined;
    const token = `cam-${randomBytes(16).toString('hex')}`;
    this.#tokens.set(token, user);
    return token;
  }

  may(caller: Caller, right: 'read' | 'write', pkg: PackageDefinition, fullName: string): boolean {
    return (
      this.rules.length === 0 ||
      this.rules.some((rule) => this.#applies(rule, caller, right, pkg) && fullName.startsWith(rule.pathPrefix))
    );
  }

  /** The caller's read rights as a query clause; null = everything. */
  readFilter(caller: Caller, packages: readonly PackageDefinition[]): object | null {
    if (this.rules.length === 0) return null;
    const should = packages.flatMap((pkg) =>
      this.rules
        .filter((rule) => this.#applies(rule, caller, 'read', pkg))
        .map((rule) => ({
          bool: {
            filter: [
              { term: { ocs_package_id: pkg.package_id } },
              { prefix: { ocs_full_name: { value: rule.pathPrefix } } },
            ],
          },
        })),
    );
    return should.length > 0 ? { bool: { should, minimum_should_match: 1 } } : { match_none: {} };
  }

  #applies(rule: PolicyRule, caller: Caller, right: 'read' | 'write', pkg: PackageDefinition): boolean {
    const who =
      (rule.user === undefined || rule.user === caller.user) &&
      (rule.group === undefined || caller.groups.includes(rule.group));
    return who && rule[right] && (rule.package === '*' || rule.package === pkg.name || rule.package === pkg.package_id);
  }
}

function decodeCookie(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
