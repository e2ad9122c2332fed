/** One thing of a backend that was looked at. `todo` says what to do about it; null where there is nothing to do. */
export interface Examined {
  readonly part: string;
  readonly state: 'ok' | 'warning' | 'bad';
  readonly found: string;
  readonly todo: string | null;
}

/** What a backend may offer beside the port: everything its configuration names, one by one, for an operator who set it up. */
export interface Examinable {
  examine(signal: AbortSignal): AsyncIterable<Examined>;
}

export const isExaminable = (backend: object): backend is Examinable =>
  typeof (backend as Partial<Examinable>).examine === 'function';
