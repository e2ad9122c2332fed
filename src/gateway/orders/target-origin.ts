/** What is up or down as one: `sftp://host:port`, `named:ops`, and each folder of this machine for itself (`file:///data/in`). */
export function targetOrigin(deliverTo: string): string {
  const named = /^named:[^/]+/.exec(deliverTo);
  if (named) return named[0];
  const url = new URL(deliverTo);
  return url.host === '' ? `${url.protocol}//${url.pathname}` : `${url.protocol}//${url.host}`;
}
