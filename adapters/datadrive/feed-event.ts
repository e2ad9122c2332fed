/** What the feed said of a file. */
export interface FeedEvent {
  readonly id: string;
  readonly removed: boolean;
}

type Message = Readonly<Record<string, unknown>>;

/** The object that a text of JSON holds; null of anything else. */
export function objectIn(text: string): Message | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : null;
  } catch {
    return null;
  }
}

/** null for upload status, error messages and whatever is no event of a file. */
export function parseEvent(text: string, removed: readonly string[]): FeedEvent | null {
  const message = objectIn(text);
  return message && eventOf(message, removed);
}

/** The event in a message that names its parts as the websocket does. */
export function eventOf(message: Message, removed: readonly string[]): FeedEvent | null {
  const { dataset_id: id, package_dataset_event: name } = message;
  if (typeof id !== 'string' || id === '' || typeof name !== 'string') return null;
  return { id, removed: removed.includes(name) };
}
