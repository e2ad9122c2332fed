import { isIP } from 'node:net';
import { generate } from 'selfsigned';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** Certificates that sign themselves, for a name or address of a server, or the name of a client; of this day only. */
export async function certificateFor(name: string): Promise<Certificate> {
  const altName = isIP(name) ? ({ type: 7, ip: name } as const) : ({ type: 2, value: name } as const);
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + 86_400_000),
    extensions: [{ name: 'subjectAltName', altNames: [altName] }],
  });
  return { cert, key };
}
