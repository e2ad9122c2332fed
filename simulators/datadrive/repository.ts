import { createHash, randomUUID } from 'node:crypto';
import type { Faults } from './faults.js';
import { mappingOf } from './mapping.js';
import type { ObjectStore } from './object-store.js';
import type { ObjectTypeDefinition, PackageDefinition } from './options.js';
import type { SearchNode } from './search-node.js';

/** `_source` of a file: system fields, type fields beside them (spec §2.3). */
export interface FileDocument extends Readonly<Record<string, unknown>> {
  readonly ocs_dataset_id: string;
  readonly ocs_package_id: string;
  readonly ocs_type_name: string;
  readonly ocs_name: string;
  readonly ocs_full_name: string;
  readonly ocs_url: string;
  readonly ocs_updated_at: string;
  readonly ocs_etag: string;
}

export interface PutFile {
  /** Name or id. */
  readonly package: string;
  /** Starts with "/". */
  readonly fullName: string;
  readonly type: string;
  readonly body: Uint8Array;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly owner?: string;
  /** Time of `ocs_created_at` and `ocs_updated_at`, ms since 1970; default the stand-in's clock. */
  readonly at?: number;
  /** Another `ocs_created_at`, ms since 1970. */
  readonly createdAt?: number;
  /** Another `ocs_dataset_id` than a random UUID, for a file that is new. */
  readonly id?: string;
}

export type EventName = 'OCS object indexed' | 'OBJ_REMOVED_FROM_INDEX' | 'OBJ_REMOVED_DELETED';

/** What happened to a file, for the feed. */
export interface RepositoryEvent {
  readonly name: EventName;
  readonly document: FileDocument;
  readonly at: number;
  readonly objectChanged: boolean;
}

export interface PutResult {
  readonly kind: 'new' | 'updated' | 'touched';
  readonly document: FileDocument;
}

const md5 = (body: Uint8Array): string => createHash('md5').update(body).digest('hex');

/** Packages, object types and files: the index and the buckets, and a mirror of both in memory. */
export class Repository {
  readonly #files = new Map<string, FileDocument>();
  readonly #contents = new Map<string, string>();
  readonly #lagging = new Set<NodeJS.Timeout>();

  constructor(
    readonly packages: readonly PackageDefinition[],
    readonly objectTypes: readonly ObjectTypeDefinition[],
    private readonly node: SearchNode,
    private readonly objects: ObjectStore,
    private readonly faults: Faults,
    private readonly prefix: string,
    private readonly now: () => number,
    private readonly announce: (event: RepositoryEvent) => void,
    private readonly newIdOnOverwrite: boolean,
    private readonly warn: (text: string) => void,
  ) {}

  aliasOf(type: string): string {
    return this.prefix + type;
  }

  get savedSearches(): string {
    return `${this.prefix}ocs-saved-searches`;
  }

  indexOf(type: string): string {
    return `${this.prefix}ocs-${type}-v1`;
  }

  get indices(): readonly string[] {
    const catalogue = ['ocs-packages', 'ocs-object-types', 'ocs-saved-searches'].map((name) => this.prefix + name);
    return [...this.objectTypes.map((type) => this.indexOf(type.name)), ...catalogue];
  }

  /** Fresh indices and the buckets; indices of the same name from an earlier run are dropped. */
  async create(): Promise<void> {
    await this.#dropIndices();
    const shape = this.node.flavour === 'opensearch';
    const settings = { number_of_shards: 1, number_of_replicas: 0, refresh_interval: '1s' };
    for (const type of this.objectTypes)
      await this.node.call('PUT', `/${this.indexOf(type.name)}`, {
        settings,
        mappings: mappingOf(type, shape),
        aliases: { [this.aliasOf(type.name)]: {} },
      });
    for (const name of ['ocs-packages', 'ocs-object-types', 'ocs-saved-searches'])
      await this.node.call('PUT', `/${this.prefix}${name}`, { settings, mappings: { dynamic: false } });
    const rows = [
      ...this.packages.map((pkg) => ({ index: 'ocs-packages', id: pkg.package_id, document: pkg })),
      ...this.objectTypes.map((type) => ({ index: 'ocs-object-types', id: type.name, document: type })),
    ];
    await this.node.bulk(
      rows.map((row) => ({ ...row, index: this.prefix + row.index })),
      true,
    );
    for (const bucket of this.buckets) await this.objects.createBucket(bucket);
  }

  get buckets(): readonly string[] {
    return this.packages.flatMap((pkg) => (pkg.s3Bucket ? [this.prefix + pkg.s3Bucket] : []));
  }

  async destroy(): Promise<void> {
    await this.settle();
    await this.#dropIndices();
    for (const bucket of this.buckets) await this.objects.dropBucket(bucket);
  }

  async #dropIndices(): Promise<void> {
    await this.node.call('DELETE', `/${this.indices.join(',')}?ignore_unavailable=true`);
  }

  /** Forgets index writes that are still held back by `indexLagMs`. */
  async settle(): Promise<void> {
    for (const timer of this.#lagging) clearTimeout(timer);
    this.#lagging.clear();
  }

  packageOf(nameOrId: string): PackageDefinition | undefined {
    return this.packages.find((pkg) => pkg.package_id === nameOrId || pkg.name === nameOrId);
  }

  find(packageId: string, fullName: string): FileDocument | undefined {
    return [...this.#files.values()].find((f) => f.ocs_package_id === packageId && f.ocs_full_name === fullName);
  }

  byId(datasetId: string): FileDocument | undefined {
    return this.#files.get(datasetId);
  }

  byObject(bucket: string, key: string): FileDocument | undefined {
    return [...this.#files.values()].find((f) => f.ocs_url === `s3://${bucket}/${key}`);
  }

  get files(): readonly FileDocument[] {
    return [...this.#files.values()];
  }

  async put(file: PutFile): Promise<PutResult> {
    const pkg = this.packageOf(file.package);
    if (!pkg?.s3Bucket) throw new RangeError(`package ${file.package} does not exist or has no bucket`);
    if (!this.objectTypes.some((type) => type.name === file.type)) throw new RangeError(`no object type ${file.type}`);
    const before = this.find(pkg.package_id, file.fullName);
    const at = file.at ?? this.now();
    const digest = md5(file.body);
    const same = before !== undefined && this.#contents.get(before.ocs_dataset_id) === digest;
    const place = same ? before : await this.#store(pkg, file, at);
    const id = before && !(this.newIdOnOverwrite && !same) ? before.ocs_dataset_id : (file.id ?? randomUUID());
    const name = file.fullName.slice(file.fullName.lastIndexOf('/') + 1);
    const document: FileDocument = {
      ...this.#typeFields(file.type, file.metadata ?? {}),
      ocs_dataset_id: id,
      ocs_package_id: pkg.package_id,
      ocs_package_name: pkg.name,
      ocs_type_name: file.type,
      ocs_name: name,
      ocs_path: file.fullName.slice(0, -name.length - 1) || '/',
      ocs_full_name: file.fullName,
      ocs_url: place.ocs_url,
      ocs_etag: place.ocs_etag,
      ocs_created_at: createdOf(file, before, at),
      ocs_updated_at: new Date(at).toISOString(),
      ocs_created_by: file.owner ?? 'user-a',
      ...(name.includes('.') && { ext: name.slice(name.lastIndexOf('.') + 1) }),
      size: file.body.length,
    };
    if (before && before.ocs_dataset_id !== id) {
      this.#files.delete(before.ocs_dataset_id);
      await this.#index(before, null);
    }
    this.#files.set(id, document);
    this.#contents.set(id, digest);
    await this.#index(document, document);
    if (before && this.faults.take('duplicateNames')) await this.#leaveStray(before);
    this.announce({ name: 'OCS object indexed', document, at, objectChanged: !same });
    return { kind: before === undefined ? 'new' : same ? 'touched' : 'updated', document };
  }

  /** Indexes a file again, bytes unchanged. */
  async touch(datasetId: string): Promise<FileDocument> {
    const at = this.now();
    const document = { ...this.#must(datasetId), ocs_updated_at: new Date(at).toISOString() };
    this.#files.set(datasetId, document);
    await this.#index(document, document);
    this.announce({ name: 'OCS object indexed', document, at, objectChanged: false });
    return document;
  }

  async delete(datasetId: string): Promise<void> {
    const document = this.#must(datasetId);
    this.#files.delete(datasetId);
    this.#contents.delete(datasetId);
    await this.#index(document, null);
    const [bucket, key] = splitUrl(document.ocs_url);
    await this.objects.delete(bucket, key);
    this.announce({ name: 'OBJ_REMOVED_DELETED', document, at: this.now(), objectChanged: true });
  }

  /** A new place for the same object: the id stays, and so does the S3 key. */
  async move(datasetId: string, packageId: string, path: string, name: string): Promise<FileDocument> {
    const before = this.#must(datasetId);
    const pkg = this.packageOf(packageId);
    if (!pkg) throw new RangeError(`no package ${packageId}`);
    const at = this.now();
    const document: FileDocument = {
      ...before,
      ocs_package_id: pkg.package_id,
      ocs_package_name: pkg.name,
      ocs_path: path,
      ocs_name: name,
      ocs_full_name: `${path === '/' ? '' : path}/${name}`,
      ocs_updated_at: new Date(at).toISOString(),
    };
    this.#files.set(datasetId, document);
    await this.#index(document, document);
    this.announce({ name: 'OBJ_REMOVED_FROM_INDEX', document: before, at, objectChanged: false });
    this.announce({ name: 'OCS object indexed', document, at, objectChanged: false });
    return document;
  }

  #must(datasetId: string): FileDocument {
    const document = this.#files.get(datasetId);
    if (!document) throw new RangeError(`no file ${datasetId}`);
    return document;
  }

  async #store(pkg: PackageDefinition, file: PutFile, at: number): Promise<{ ocs_url: string; ocs_etag: string }> {
    const bucket = this.prefix + (pkg.s3Bucket ?? '');
    const name = file.fullName.slice(file.fullName.lastIndexOf('/') + 1);
    const key = pkg.congruentPaths
      ? file.fullName.slice(1)
      : `data_drive/uploads/${new Date(at).toISOString()}/${randomUUID()}/${name}`;
    const multipart = this.faults.take('multipartEtag') === true;
    return { ocs_url: `s3://${bucket}/${key}`, ocs_etag: await this.objects.put(bucket, key, file.body, multipart) };
  }

  #typeFields(typeName: string, metadata: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const schema = this.objectTypes.find((type) => type.name === typeName)?.schema;
    let entries = Object.entries(metadata);
    if (this.faults.take('missingFields')) entries = entries.filter(([name]) => schema?.required?.includes(name));
    if (this.faults.take('doyTimes'))
      entries = entries.map(([name, value]) => [name, isTextTime(schema, name, value) ? dayOfYear(value) : value]);
    if (this.faults.take('arrayValues'))
      entries = entries.map(([name, value]) => [name, typeof value === 'object' ? value : [value, value]]);
    return Object.fromEntries(entries);
  }

  async #index(document: FileDocument, content: FileDocument | null): Promise<void> {
    const index = this.indexOf(document.ocs_type_name);
    const operation = { index, id: document.ocs_dataset_id, document: content };
    const lag = this.faults.take('indexLagMs');
    if (!lag) return this.node.bulk([operation], true);
    const timer = setTimeout(() => {
      this.#lagging.delete(timer);
      const latest = this.#files.get(document.ocs_dataset_id) ?? null;
      this.node
        .bulk([{ ...operation, document: latest }], true)
        .catch((error: Error) => this.warn(`late index write: ${error.message}`));
    }, lag);
    this.#lagging.add(timer);
  }

  async #leaveStray(before: FileDocument): Promise<void> {
    const stray = { ...before, ocs_dataset_id: randomUUID() };
    const index = this.indexOf(before.ocs_type_name);
    await this.node.bulk([{ index, id: stray.ocs_dataset_id, document: stray }], true);
  }
}

const createdOf = (file: PutFile, before: FileDocument | undefined, at: number): unknown =>
  file.createdAt === undefined
    ? (before?.ocs_created_at ?? new Date(at).toISOString())
    : new Date(file.createdAt).toISOString();

/** `s3://bucket/key` → bucket and key, which may hold any character. */
export function splitUrl(url: string): readonly [bucket: string, key: string] {
  const rest = url.slice('s3://'.length);
  const slash = rest.indexOf('/');
  return [rest.slice(0, slash), rest.slice(slash + 1)];
}

function isTextTime(schema: ObjectTypeDefinition['schema'] | undefined, name: string, value: unknown): value is string {
  const isDate = schema?.properties?.[name]?.format === 'date-time';
  return typeof value === 'string' && !isDate && /^\d{4}-\d\d-\d\dT/.test(value);
}

/** `2021-08-21T02:30:24.474Z` → `2021-233T02:30:24.47400`. */
function dayOfYear(text: string): string {
  const at = new Date(text);
  const day = Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
  return `${at.getUTCFullYear()}-${String(day).padStart(3, '0')}T${at.toISOString().slice(11, 23)}00`;
}
