import type { Command } from 'commander';
import { connectMal, type HttpClient, type MalClient, type MpdClient } from '../client/index.js';
import type { Context } from './context.js';
import { CliError, EXIT, usage } from './exit-codes.js';
import { addressOf, type GlobalOptions, httpClient } from './remote.js';

/** Clients of a command that exists in the standard: over MAL there is what area 9 has, over HTTP all of the gateway. */
export interface WireClients {
  readonly client: MpdClient;
  /** Null over MAL. */
  readonly http: HttpClient | null;
  /** Null over HTTP. */
  readonly mal: MalClient | null;
}

/** Why a command exists over HTTP alone, and what there is over MAL instead. */
const HTTP_ONLY: Readonly<Record<string, string>> = {
  types: 'MPD has no list of product types; `products list --json` shows them with each product',
  'products folders': 'MPD has no folders; `products list --domain` narrows by domain',
  'orders show': 'MPD keeps no state or history of orders; `orders list` shows the order itself',
  'orders upstream':
    'a provider does not tell what stands at the systems behind it; `orders list` shows its own orders',
  'orders pause': 'MPD has no pause; `orders cancel` ends an order',
  'orders resume': 'MPD has no pause; `orders submit` makes a new order',
  'orders replay': 'MPD has no replay; `products deliver` sends products again',
  'orders backfill': 'an order of the standard brings new products only; `products deliver` sends those that are there',
  'orders deliveries': 'MPD has no ledger; `events` tells of deliveries as they happen',
  'orders delivery': 'MPD has no ledger; `events` tells of deliveries as they happen',
  'orders missing': 'MPD has no ledger that could prove completeness',
  'orders redrive': 'MPD has no ledger; `products deliver` sends products again',
  'orders pull': 'over MAL products of an order are pushed: `events` shows them, `products get` fetches them',
  'filters list': 'MPD keeps no filters; the options of `products list` and `orders submit` say what is wanted',
  'filters get': 'MPD keeps no filters; the options of `products list` and `orders submit` say what is wanted',
  'filters put': 'MPD keeps no filters; the options of `products list` and `orders submit` say what is wanted',
  'filters delete': 'MPD keeps no filters; the options of `products list` and `orders submit` say what is wanted',
  services: 'MAL does not tell where services are; `listen.providerUris` of the gateway writes a file that does',
};

export const isMalUrl = (url: string): boolean => /^mal(tcp|http):\/\//i.test(url);

/** The client of a command that exists over HTTP alone. @throws CliError unsupported for a MAL address */
export function httpOnlyClient(context: Context, options: GlobalOptions, command: Command): HttpClient {
  const url = addressOf(context, options);
  if (isMalUrl(url)) {
    const name = nameOf(command);
    const reason = HTTP_ONLY[name] ?? 'it is no operation of the standard';
    throw notOverMal(`${name} exists over HTTP only`, reason);
  }
  return httpClient(context, options, url);
}

export function wireClients(context: Context, options: GlobalOptions): WireClients {
  const url = addressOf(context, options);
  if (isMalUrl(url)) {
    if (options.keyFile !== undefined)
      throw usage('--key-file: MAL consumers have no API keys, the network tells who they are');
    const mal = connectMal(url);
    return { client: mal, http: null, mal };
  }
  const http = httpClient(context, options, url);
  return { client: http, http, mal: null };
}

/** `what` is not to be had over MAL, for this reason. */
export const notOverMal = (what: string, reason: string): CliError =>
  new CliError(EXIT.unsupported, `${what}: ${reason}. Use --url http://… of a gateway`);

/** Refuses the options that a command has over HTTP only. */
export function refuseOverMal(options: object, names: Readonly<Record<string, string>>): void {
  for (const [name, reason] of Object.entries(names)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    const absent = value === undefined || (name === 'overwrite' && value === true);
    if (!absent)
      throw notOverMal(`--${name === 'overwrite' ? 'no-overwrite' : dashed(name)} exists over HTTP only`, reason);
  }
}

const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const nameOf = (command: Command): string =>
  command.parent === null ? '' : `${nameOf(command.parent)} ${command.name()}`.trim();
