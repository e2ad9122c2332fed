import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { invalid } from '../../mpd/index.js';

/** Keeps credentials at rest: AES-256-GCM; a random nonce (12 bytes), the tag (16 bytes), then the text. */
export interface Sealer {
  seal(text: string): Uint8Array;
  /** Throws when the bytes were changed or sealed with another key. */
  open(sealed: Uint8Array): string;
}

/** @param key 32 random bytes, kept outside the database */
export function createSealer(key: Uint8Array): Sealer {
  if (key.length !== 32) throw invalid('key', 'a sealing key has 32 bytes');
  return {
    seal(text) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return new Uint8Array(Buffer.concat([nonce, cipher.getAuthTag(), sealed]));
    },
    open(sealed) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(12, 28));
      return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8');
    },
  };
}
