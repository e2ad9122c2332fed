import type { Store } from '../store/index.js';
import type { GatewayHealth } from './api.js';
import type { Backends } from './backends.js';
import type { CoreTables } from './schema.js';
import type { Targets } from './targets.js';

type Part = GatewayHealth['parts'][number];

/** Longest a part may take to say how it is. */
const PATIENCE_MS = 5_000;

/** Something at a consumer's end that deliveries wait for. */
export interface Waiting {
  readonly key: string;
  readonly reason: string;
}

/**
 * Asks the store, every backend and every target. Ready = all of them work and each backend has been imported; what deliveries
 * wait for at a consumer's end is told, but is no fault of this gateway.
 */
export async function checkHealth(
  store: Store<CoreTables>,
  backends: Backends,
  targets: Targets,
  waiting: readonly Waiting[],
): Promise<GatewayHealth> {
  const health = await store.health();
  const storePart: Part = {
    kind: 'store',
    id: 'postgresql',
    ok: health.ok,
    reason: health.reason ?? `PostgreSQL ${health.version} answers`,
  };
  const imported = new Set(
    health.ok
      ? (
          await store.db.selectFrom('backend_state').select('backend').where('imported_at', 'is not', null).execute()
        ).map((row) => row.backend)
      : [],
  );
  const backendParts = await Promise.all(
    backends.all.map(async (backend): Promise<Part> => {
      const checked = await within(backend.check());
      return { kind: 'backend', id: backend.id, ...checked, importing: !imported.has(backend.id) };
    }),
  );
  const targetParts = (await targets.checks()).map((part): Part => ({ kind: 'target', ...part }));
  const parts = [storePart, ...backendParts, ...targetParts];
  const paused = waiting.map(
    ({ key, reason }): Part => ({ kind: 'target', id: key, ok: false, reason: `deliveries wait: ${reason}` }),
  );
  return { ready: parts.every((part) => part.ok && !part.importing), parts: [...parts, ...paused] };
}

async function within(check: Promise<{ readonly ok: boolean; readonly reason: string }>) {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ ok: boolean; reason: string }>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, reason: `no answer within ${PATIENCE_MS / 1000} s` }), PATIENCE_MS);
  });
  try {
    return await Promise.race([check, late]);
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  } finally {
    clearTimeout(timer);
  }
}
