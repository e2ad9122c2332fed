import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** Keeps credentials of deliverTo at rest: AES-256-GCM under a key derived from the gateway's secret. */
export interface Seal {
  seal(text: string): Uint8Array;
  /** @throws Error when the secret has changed since */
  open(sealed: Uint8Array): string;
}

export function createSeal(secret: string): Seal {
  const key = createHash('sha256').update('mpd-gateway seal').update(secret).digest();
  return {
    seal(text) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString('utf8');
    },
  };
}
