import type { IncomingMessage, ServerResponse } from 'node:http';
import { CALL_EFFECTS, type CallRule, type Switches } from './control.js';
import type { EddsSimulator } from './index.js';
import { OPERATIONS } from './shape.js';

const MAX_BYTES = 64 * 1024;

/**
 * The fault switches over HTTP, for a simulator in a process of its own. JSON in and out:
 * `GET /_sim/state`; `POST /_sim/fault` a CallRule; `POST /_sim/switches` some of Switches; `POST /_sim/reissue`
 * `{requestId, part}`; `POST /_sim/expire-tokens`; `POST /_sim/clear`. Each answers with the state.
 */
export async function serveControl(
  simulator: EddsSimulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { control } = simulator;
  try {
    switch (`${request.method} ${request.url}`) {
      case 'GET /_sim/state':
        break;
      case 'POST /_sim/fault':
        control.inject(ruleOf(await readJson(request)));
        break;
      case 'POST /_sim/switches':
        Object.assign(control.switches, switchesOf(control.switches, await readJson(request)));
        break;
      case 'POST /_sim/reissue': {
        const { requestId, part } = await readJson(request);
        await control.reissue(String(requestId), Number(part));
        break;
      }
      case 'POST /_sim/expire-tokens':
        control.expireTokens();
        break;
      case 'POST /_sim/clear':
        control.clear();
        break;
      default:
        return send(response, 404, { error: 'there is nothing here' });
    }
    send(response, 200, stateOf(simulator));
  } catch (error) {
    send(response, 400, { error: (error as Error).message });
  }
}

/** Without the passwords of deliveries. */
function stateOf({ control }: EddsSimulator): object {
  const calls = Object.fromEntries(OPERATIONS.map((name) => [name, control.calls(name)]));
  const jobs = control.jobs().map(({ request, ...job }) => ({ ...job, name: request.Name ?? null }));
  return { switches: control.switches, calls, mostParallel: control.mostParallel, jobs };
}

function ruleOf(given: Record<string, unknown>): CallRule {
  const effect = CALL_EFFECTS.find((name) => name === given.effect);
  if (effect === undefined) throw new Error(`effect must be one of ${CALL_EFFECTS.join(', ')}`);
  const operation = OPERATIONS.find((name) => name === given.operation);
  if (given.operation !== undefined && operation === undefined)
    throw new Error(`operation must be one of ${OPERATIONS.join(', ')}`);
  const counts = (['times', 'skip', 'millis'] as const).flatMap((name) => {
    if (given[name] === undefined) return [];
    if (typeof given[name] !== 'number') throw new Error(`${name} must be a number`);
    return [[name, given[name]]];
  });
  return { effect, ...(operation !== undefined && { operation }), ...Object.fromEntries(counts) };
}

function switchesOf(now: Switches, given: Record<string, unknown>): Partial<Switches> {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(now, name)) throw new Error(`no switch ${name}; there are ${Object.keys(now).join(', ')}`);
    const before = now[name as keyof Switches];
    const fits =
      NULLABLE[name] === undefined ? typeof value === typeof before : value === null || typeof value === NULLABLE[name];
    if (!fits) throw new Error(`${name} must be ${NULLABLE[name] ?? typeof before}`);
  }
  return given;
}

const NULLABLE: Readonly<Record<string, string>> = { fail: 'string', state: 'string', catalogueFiles: 'number' };

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_BYTES) throw new Error('the request is too long');
  }
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('an object is expected');
  return value as Record<string, unknown>;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
