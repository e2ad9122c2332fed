import type { Access, Caller } from './access.js';
import type { DirectSearch } from './direct-search.js';
import type { Download } from './download.js';
import { type Exchange, readJson, sendJson, sendText } from './http.js';
import type { Playback, PlaybackRequest } from './playback.js';
import type { Repository } from './repository.js';
import type { SavedSearches } from './saved-searches.js';
import type { Uploads } from './uploads.js';

export interface Parts {
  readonly access: Access;
  readonly repository: Repository;
  readonly playback: Playback;
  readonly searches: SavedSearches;
  readonly uploads: Uploads;
  readonly download: Download;
  readonly search: DirectSearch;
}

type Handler = (exchange: Exchange, caller: Caller, parts: Parts) => Promise<void> | void;

const playback: Handler = async ({ request, response }, caller, parts) => {
  const answer = await parts.playback.page(await readJson<PlaybackRequest>(request), caller);
  sendJson(response, answer.status, answer.body);
};

const savedSearch: Handler = ({ response, segments }, caller, parts) => {
  const [owner, name] = segments.length > 4 ? [segments[3] ?? '', segments[4] ?? ''] : [caller.user, segments[3] ?? ''];
  const found = parts.searches.find(name, owner === 'undefined' ? caller.user : owner);
  if (found) sendJson(response, 200, found);
  else sendJson(response, 404, { error: true, message: 'empty result' });
};

const remove: Handler = async ({ response, segments }, caller, parts) => {
  const document = parts.repository.byId(segments[3] ?? '');
  const pkg = parts.repository.packageOf(segments[2] ?? '');
  if (!document || !pkg || document.ocs_package_id !== pkg.package_id)
    return sendJson(response, 404, { error: true, message: 'no such file' });
  if (!parts.access.may(caller, 'write', pkg, document.ocs_full_name))
    return sendJson(response, 403, { error: true, message: 'not allowed' });
  await parts.repository.delete(document.ocs_dataset_id);
  sendJson(response, 200, { status: 'ok' });
};

interface MoveRequest {
  readonly src_id?: string;
  readonly src_pkg_id?: string;
  readonly dest_pkg_id?: string;
  readonly dest_path?: string;
  readonly dest_name?: string;
}

const move: Handler = async ({ request, response }, caller, parts) => {
  const body = await readJson<MoveRequest>(request);
  const document = parts.repository.byId(body.src_id ?? '');
  const pkg = parts.repository.packageOf(body.dest_pkg_id ?? '');
  if (!document || !pkg || !body.dest_path || !body.dest_name)
    return sendJson(response, 404, { error: true, message: 'no such file or package' });
  if (!parts.access.may(caller, 'write', pkg, `${body.dest_path}/${body.dest_name}`))
    return sendJson(response, 403, { error: true, message: 'not allowed' });
  await parts.repository.move(document.ocs_dataset_id, pkg.package_id, body.dest_path, body.dest_name);
  sendJson(response, 200, { status: 'ok' });
};

const createDir: Handler = async ({ request, response }, _caller, parts) => {
  const body = await readJson<{ pkg_id?: string; abs_path?: string }>(request);
  const ok = parts.repository.packageOf(body.pkg_id ?? '') && body.abs_path?.startsWith('/');
  sendJson(
    response,
    ok ? 200 : 400,
    ok ? { status: 'ok' } : { error: true, message: 'pkg_id and abs_path are needed' },
  );
};

/** Method, leading path segments, handler; the first that fits serves (spec §4). */
const routes: readonly (readonly [method: string, path: string, handler: Handler])[] = [
  ['GET', 'ssostatus', ({ response }) => sendJson(response, 200, { authenticated: true })],
  ['POST', 'api/playback/v2', playback],
  ['POST', 'api/ss/playback/v2', playback],
  ['GET', 'api/saved_search/get', savedSearch],
  ['POST', 'api/UploadAutoForce', (exchange, caller, parts) => parts.uploads.serve(exchange, caller, 'auto')],
  ['POST', 'api/UploadManual', (exchange, caller, parts) => parts.uploads.serve(exchange, caller, 'manual')],
  ['POST', 'api/move/item', move],
  ['POST', 'api/create_dir', createDir],
  ['DELETE', 'api/delete', remove],
  ['GET', 'api/packages', ({ response }, _, parts) => sendJson(response, 200, parts.repository.packages)],
  ['GET', 'api/object_types', ({ response }, _, parts) => sendJson(response, 200, parts.repository.objectTypes)],
  ['GET', 'api/saved_searches', ({ response }, _, parts) => sendJson(response, 200, parts.searches.all)],
];

/** Serves one request of the public port. */
export async function serve(exchange: Exchange, parts: Parts): Promise<string | undefined> {
  const { request, response, method, segments } = exchange;
  if (method === 'POST' && segments.join('/') === 'json/authenticate') {
    login(exchange, parts.access);
    return undefined;
  }
  const caller = parts.access.callerOf(request);
  if (!caller) {
    if (exchange.rawPath === '/') sendText(response, 401, 'text/html', '<html><body>Log in</body></html>');
    else sendJson(response, 401, { error: true, message: 'log in' });
    return undefined;
  }
  if (exchange.rawPath === '/') {
    const host = (request.headers.host ?? '').split(':');
    sendJson(response, 200, { ocs_endpoint: host[0], ocs_endpoint_port: Number(host[1] ?? 443), ocs_stage: 'sim' });
    return caller.user;
  }
  if (segments[0] === 'es') await parts.search.serve(exchange, caller);
  else {
    const path = segments.join('/');
    const route = routes.find(([verb, start]) => verb === method && (path === start || path.startsWith(`${start}/`)));
    if (route) await route[2](exchange, caller, parts);
    else if (method === 'GET' && segments[0] !== 'api') await parts.download.serve(exchange, caller);
    else sendJson(response, 404, { error: true, message: 'no such operation' });
  }
  return caller.user;
}

/** CAM login, shaped like OpenAM (spec §7.5). */
function login({ request, response }: Exchange, access: Access): void {
  const header = (name: string): string => String(request.headers[name] ?? '');
  const token = access.login(header('x-openam-username'), header('x-openam-password'));
  if (token) sendJson(response, 200, { tokenId: token, successUrl: '/' });
  else sendJson(response, 401, { code: 401, reason: 'Unauthorized', message: 'Authentication Failed' });
}
