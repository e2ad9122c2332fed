/** What is up or down as one: `sftp://host:port`, `file://`, `named:ops`. */
export function targetOrigin(deliverTo: string): string {
  const named = /^named:[^/]+/.exec(deliverTo);
  if (named) return named[0];
  const url = new URL(deliverTo);
  return `${url.protocol}//${url.host}`;
}
