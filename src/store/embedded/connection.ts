import type { Layout } from './layout.js';

export type Connection = Readonly<{ host: string; port: number; user: string; password: string; database: string }>;

export const SUPERUSER = 'mpd';
export const DATABASE = 'mpd';
/** Part of the socket's name; there is no network port. */
export const PORT = 5432;

export function connectionOf(layout: Layout, password: string): Connection {
  return { host: layout.sockets, port: PORT, user: SUPERUSER, password, database: DATABASE };
}

export function urlOf({ host, user, password, database }: Connection): string {
  return `postgresql://${user}:${encodeURIComponent(password)}@/${database}?host=${encodeURIComponent(host)}`;
}
