import type { ProductFilter } from '../../mpd/index.js';
import type { Backends } from '../backends.js';
import { groupsOf } from '../catalogue/groups.js';

/** An order for a type or a domain that does not exist yet is fine, but its owner should know. */
export async function availabilityWarning(backends: Backends, filter: ProductFilter | null): Promise<string | null> {
  if (filter === null) return null;
  const { domain, productType } = filter;
  const fixed = domain?.slice(0, domain.includes('*') ? domain.indexOf('*') : undefined);
  if (
    fixed &&
    !backends.find(fixed) &&
    !(
      domain!.includes('*') &&
      backends.all.some((backend) => backend.domains.some((own) => fixed.every((part, i) => own[i] === part)))
    )
  )
    return `no backend owns the domain [${domain!.join(', ')}] yet`;
  if (productType === null || groupsOf(backends).some(({ name }) => name === productType)) return null;
  for (const backend of backends.all) {
    const types = await backend.productTypes().catch(() => null);
    if (types === null || types.some((type) => type.name === productType)) return null;
  }
  return `no product type ${productType} is known yet`;
}
