import { type FaultName, type FaultValues, faultNames } from './faults.js';
import { type Exchange, readJson, sendJson } from './http.js';
import type { DataDriveSimulator } from './index.js';

interface FaultRequest {
  readonly name?: string;
  readonly value?: unknown;
  readonly user?: string;
  readonly count?: number;
  readonly clear?: boolean;
}

interface PutRequest {
  readonly package?: string;
  readonly fullName?: string;
  readonly type?: string;
  readonly text?: string;
  readonly base64?: string;
  readonly metadata?: Record<string, unknown>;
  readonly owner?: string;
}

/** The control port (spec §11.2): `/_sim/load|put|delete|touch|fault|clock|saved-search`, `GET /_sim/state|log`. */
export async function serveControl(exchange: Exchange, simulator: DataDriveSimulator): Promise<void> {
  const { request, response, method, segments } = exchange;
  const action = segments[0] === '_sim' ? `${method} ${segments[1] ?? ''}` : '';
  switch (action) {
    case 'POST load': {
      const {
        folder,
        package: pkg,
        type,
      } = await readJson<{ folder: string; package?: string; type?: string }>(request);
      return sendJson(
        response,
        200,
        await simulator.load(folder, { ...(pkg && { package: pkg }), ...(type && { type }) }),
      );
    }
    case 'POST put': {
      const put = await readJson<PutRequest>(request);
      const { package: pkg, fullName, type } = put;
      if (!pkg || !fullName || !type)
        return sendJson(response, 400, { error: true, message: 'package, fullName and type are needed' });
      const body = put.base64 === undefined ? Buffer.from(put.text ?? '') : Buffer.from(put.base64, 'base64');
      const { metadata = {}, owner } = put;
      const stored = await simulator.put({ package: pkg, fullName, type, body, metadata, ...(owner && { owner }) });
      return sendJson(response, 200, stored);
    }
    case 'POST delete':
      await simulator.delete((await readJson<{ id: string }>(request)).id);
      return sendJson(response, 200, { status: 'ok' });
    case 'POST touch':
      return sendJson(response, 200, await simulator.touch((await readJson<{ id: string }>(request)).id));
    case 'POST fault':
      return setFault(exchange, simulator, await readJson<FaultRequest>(request));
    case 'POST clock':
      simulator.setClock((await readJson<{ offsetMs: number }>(request)).offsetMs);
      return sendJson(response, 200, { now: new Date(simulator.now()).toISOString() });
    case 'POST saved-search':
      await simulator.addSavedSearch(await readJson(request));
      return sendJson(response, 200, { status: 'ok' });
    case 'GET state':
      return sendJson(response, 200, simulator.state());
    case 'GET log':
      return sendJson(response, 200, simulator.log());
    default:
      return sendJson(response, 404, { error: true, message: 'no such control operation' });
  }
}

async function setFault({ response }: Exchange, simulator: DataDriveSimulator, request: FaultRequest): Promise<void> {
  if (request.clear) simulator.clearFaults();
  const { name, user, count } = request;
  if (name !== undefined && !(faultNames as readonly string[]).includes(name))
    return sendJson(response, 400, { error: true, message: `no switch ${name}; there are ${faultNames.join(', ')}` });
  if (name !== undefined) {
    const scope = { ...(user !== undefined && { user }), ...(count !== undefined && { count }) };
    simulator.setFault(name as FaultName, (request.value ?? true) as FaultValues[FaultName] | false, scope);
  }
  sendJson(response, 200, simulator.state().faults);
}
