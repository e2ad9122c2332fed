import { pathToFileURL } from 'node:url';
import { createLog } from '../../log.js';
import type { Started } from '../../main.js';
import { CliError, EXIT, type ExitCode } from '../exit-codes.js';
import type { Output } from '../output/output.js';
import { generate } from './generator.js';
import { createReport, type Ready } from './report.js';
import { watchOrder } from './watch.js';
import { DOMAIN, freePort, makeWorkspace, type Workspace } from './workspace.js';

export interface DemoOptions {
  readonly dir?: string;
  readonly data?: string;
  readonly once?: boolean;
  readonly port: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly cwd: string;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const COMMENT = 'demo: everything to one folder';
/** What consumers on ESA's stack try first; another when it is taken. */
const MALTCP_PORT = 61616;

/** Runs until the signal, or with `once` until the first delivery is verified; then everything it started is stopped. */
export async function runDemo(options: DemoOptions, out: Output, signal: AbortSignal): Promise<ExitCode> {
  const workspace = makeWorkspace({
    ...options,
    port: await freePort(options.port),
    malPort: await freePort(MALTCP_PORT),
  });
  const log = createLog({ level: options.logLevel, format: 'auto', stream: options.stderr });
  const ended = new AbortController();
  const any = AbortSignal.any([signal, ended.signal]);
  try {
    await out.say('starting the gateway with a database of its own …');
    const { startGateway } = await import('../../main.js');
    const started = await startGateway(workspace.config, { log, signal: any });
    try {
      return await show(started, workspace, options, out, any, ended);
    } finally {
      ended.abort();
      if (signal.aborted) await out.say('\nstopping …');
      await started.stop();
    }
  } finally {
    workspace.remove(options.once === true);
    await out.say(`stopped; ${farewell(workspace, options)}`);
  }
}

function farewell({ temporary, root, delivered }: Workspace, { once }: DemoOptions): string {
  if (!temporary) return `everything is kept in ${root}`;
  return once === true ? `the delivered file is in ${delivered}` : `${root} is removed (--data FOLDER would keep it)`;
}

async function show(
  started: Started,
  workspace: Workspace,
  options: DemoOptions,
  out: Output,
  signal: AbortSignal,
  ended: AbortController,
): Promise<ExitCode> {
  const { gateway } = started;
  const report = createReport(out);
  const principal = await gateway.access.principal('operator');
  const { key } = await gateway.access.createKey('operator', { label: 'demo' });
  const { cursor } = await gateway.events.read({ cursor: null }, 1, principal);
  const order = await demoOrder(started, workspace);
  const ready: Ready = { urls: started.urls, key, order, workspace, generates: options.dir === undefined };
  await report.ready(ready);

  const generating = ready.generates ? generate(workspace.products, options.everyMs, signal) : Promise.resolve();
  const timer =
    options.once === true ? setTimeout(() => ended.abort(new Error('timeout')), options.timeoutMs) : undefined;
  let isShown = false;
  try {
    for await (const event of watchOrder({ gateway, principal, order, products: workspace.products }, cursor, signal)) {
      await report.event(event);
      if (event.event === 'failed' && options.once === true)
        throw new CliError(EXIT.integrity, `${event.product}: ${event.reason}`);
      if (event.event !== 'verified') continue;
      if (options.once === true) return EXIT.ok;
      if (!isShown) await report.next(ready);
      isShown = true;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    ended.abort();
    await generating;
  }
  if (options.once === true && (ended.signal.reason as Error | undefined)?.message === 'timeout')
    throw new CliError(EXIT.failed, await whyNothing(started, order, options));
  return EXIT.ok;
}

/** The order of an earlier demo in the same folder, else a new one that also takes what is there already. */
async function demoOrder({ gateway }: Started, workspace: Workspace): Promise<bigint> {
  const principal = await gateway.access.principal('operator');
  const mine = await gateway.orders.list({ user: 'operator', domain: null, states: ['active'] }, principal);
  const earlier = mine.find(({ order }) => order.comments === COMMENT)?.order.orderID;
  if (earlier !== undefined && earlier !== null) return earlier;
  const { orderID } = await gateway.orders.submit(
    {
      user: null,
      productFilter: { productType: null, domain: [DOMAIN, '*'], sources: null, attributeFilter: null },
      validityPeriod: null,
      deliveryMethod: 'FILETRANSFER',
      deliverTo: pathToFileURL(workspace.delivered).href,
      comments: COMMENT,
      backfill: { axis: 'available', from: null, to: null },
    },
    principal,
  );
  return orderID;
}

async function whyNothing({ gateway }: Started, order: bigint, { timeoutMs, dir }: DemoOptions): Promise<string> {
  const principal = await gateway.access.principal('operator');
  const sick = (await gateway.health()).parts.filter(({ ok }) => !ok).map(({ id, reason }) => `${id}: ${reason}`);
  const { counts } = await gateway.orders.get(order, principal);
  const rows = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
  const reasons = [
    ...sick,
    ...(rows.length > 0
      ? [`deliveries: ${rows.join(', ')}`]
      : [dir === undefined ? 'no product was matched' : `no product was found in ${dir}`]),
  ];
  return `nothing was delivered and verified within ${timeoutMs / 1000} s (${reasons.join('; ')})`;
}
