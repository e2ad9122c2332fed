import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Access, Caller } from './access.js';
import type { Faults } from './faults.js';
import type { PackageDefinition } from './options.js';
import type { RepositoryEvent } from './repository.js';
import type { SavedSearches } from './saved-searches.js';

/** What a socket asked for with its first frames (spec §5). */
interface Subscriber {
  readonly socket: WebSocket;
  readonly caller: Caller;
  allPackages: boolean;
  packages: readonly string[];
  searches: readonly { readonly type?: string; readonly owner?: string; readonly name: string }[];
}

type Message = Readonly<Record<string, unknown>>;

/** The event feed over websockets, with its disorder. */
export class Feed {
  readonly #server = new WebSocketServer({ noServer: true, autoPong: false, perMessageDeflate: true });
  readonly #subscribers = new Set<Subscriber>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #held: RepositoryEvent[] = [];

  constructor(
    private readonly access: Access,
    private readonly searches: SavedSearches,
    private readonly faults: Faults,
    private readonly packageOf: (id: string) => PackageDefinition | undefined,
    private readonly identity: string,
    private readonly log: (text: string) => void,
  ) {}

  get size(): number {
    return this.#subscribers.size;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const caller = this.access.callerOf(request);
    if (!caller) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, caller));
  }

  #accept(socket: WebSocket, caller: Caller): void {
    const nothing = { allPackages: true, packages: [], searches: [] };
    const subscriber: Subscriber = { socket, caller, ...nothing };
    this.#subscribers.add(subscriber);
    socket.on('close', () => this.#subscribers.delete(subscriber));
    socket.on('error', (error) => this.log(`websocket: ${error.message}`));
    socket.on('ping', (data) => {
      const silent = this.faults.peek('noPong', caller.user) || this.faults.peek('freezeSocket', caller.user);
      if (!silent) socket.pong(data);
    });
    socket.on('message', (data) => this.#frame(subscriber, String(data)));
  }

  #frame(subscriber: Subscriber, text: string): void {
    let frame: Message;
    try {
      frame = JSON.parse(text) as Message;
    } catch {
      this.log('websocket: a frame that is not JSON');
      return;
    }
    if (this.faults.take('cutSocket', subscriber.caller.user)) subscriber.socket.terminate();
    if ('client_type' in frame) {
      subscriber.allPackages = frame.all_pkg === true;
      subscriber.packages = Array.isArray(frame.pkg) ? frame.pkg.map(String) : [];
    }
    if (Array.isArray(frame.interested_saved_searches))
      subscriber.searches = frame.interested_saved_searches as Subscriber['searches'];
  }

  /** Cuts what is connected, without a close frame. */
  cut(user?: string): void {
    for (const { socket, caller } of this.#subscribers) if (!user || caller.user === user) socket.terminate();
  }

  /** Sends an event the way the switches say. */
  publish(event: RepositoryEvent): void {
    if (event.name !== 'OCS object indexed' && !this.faults.take('removalEvents')) return;
    if (this.faults.take('dropEvents')) return;
    const size = this.faults.peek('shuffleEvents');
    if (!size) {
      this.#later(() => this.#send(event), this.faults.take('eventLagMs') ?? 0);
      return;
    }
    this.#held.push(event);
    if (this.#held.length >= size) this.#release();
    else if (this.#held.length === 1) this.#later(() => this.#release(), 300);
  }

  #release(): void {
    const held = this.#held.reverse();
    this.#held = [];
    for (const event of held) this.#send(event);
  }

  #later(action: () => void, milliseconds: number): void {
    if (milliseconds === 0) {
      action();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, milliseconds);
    this.#timers.add(timer);
  }

  #send(event: RepositoryEvent): void {
    const { document } = event;
    const pkg = this.packageOf(document.ocs_package_id);
    if (!pkg) return;
    const times = this.faults.take('dupEvents') ? 2 : 1;
    for (const subscriber of this.#subscribers) {
      if (!this.access.may(subscriber.caller, 'read', pkg, document.ocs_full_name)) continue;
      if (subscriber.allPackages || subscriber.packages.includes(document.ocs_package_id))
        for (let i = 0; i < times; i++) this.#write(subscriber, this.#message(event));
      for (const wanted of subscriber.searches) this.#sendIfFound(subscriber, wanted, event, times);
    }
  }

  #sendIfFound(subscriber: Subscriber, wanted: Subscriber['searches'][number], event: RepositoryEvent, times: number) {
    const search = this.searches.find(wanted.name, wanted.owner ?? subscriber.caller.user);
    if (!search) return;
    const extra = { ss_type: search.ss_type, ss_name: search.ss_name, ss_owner: search.ss_owner };
    this.searches.matches(search, event.document.ocs_dataset_id).then(
      (found) => {
        for (let i = 0; found && i < times; i++) this.#write(subscriber, { ...this.#message(event), ...extra });
      },
      (error: Error) => this.log(`saved search ${search.ss_name}: ${error.message}`),
    );
  }

  #message({ document, name, at, objectChanged }: RepositoryEvent): Message {
    return {
      package_id: document.ocs_package_id,
      dataset_id: document.ocs_dataset_id,
      ocs_full_name: document.ocs_full_name,
      ocs_url: document.ocs_url,
      package_dataset_event: name,
      package_dataset_event_time: at,
      identity: this.identity,
      s3_object_changed: this.#boolean(objectChanged),
    };
  }

  #boolean(value: boolean): boolean | string {
    return this.faults.take('stringBooleans') ? String(value) : value;
  }

  /** Tells every socket how an upload went, when switched on. */
  uploadStatus(username: string, uploadName: string, failed: boolean): void {
    if (!this.faults.take('uploadStatus')) return;
    const upload_status = failed ? 'failed' : 'done';
    for (const one of this.#subscribers)
      this.#write(one, { upload_status, username, upload_name: uploadName, failed: this.#boolean(failed) });
  }

  #write(subscriber: Subscriber, message: Message): void {
    if (!this.faults.peek('freezeSocket', subscriber.caller.user)) subscriber.socket.send(JSON.stringify(message));
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.cut();
    this.#server.close();
  }
}
