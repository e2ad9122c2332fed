/** Where JSON text is written to. */
export abstract class JsonOut {
  /** What came since the last known part. */
  text = '';

  /** A part that was written before. */
  abstract known(part: KnownJson): void;
}

/** The text of a value that many others hold, and its bytes once they are wanted. */
export class KnownJson {
  #bytes: Buffer | null = null;

  constructor(readonly text: string) {}

  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(this.text);
    return this.#bytes;
  }
}

/** Gathers one text. */
export class JsonTextOut extends JsonOut {
  known({ text }: KnownJson): void {
    this.text += text;
  }
}
