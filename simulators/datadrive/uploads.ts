import { setTimeout as sleep } from 'node:timers/promises';
import busboy from 'busboy';
import type { Access, Caller } from './access.js';
import type { Faults } from './faults.js';
import type { Feed } from './feed.js';
import { type Exchange, sendJson } from './http.js';
import type { Repository } from './repository.js';

interface Form {
  readonly fields: Readonly<Record<string, string>>;
  readonly file: Buffer | undefined;
  readonly fileName: string;
}

function readForm({ request }: Exchange): Promise<Form> {
  return new Promise((resolve, reject) => {
    const fields: Record<string, string> = {};
    const chunks: Buffer[] = [];
    let fileName: string | undefined;
    const parser = busboy({ headers: request.headers, limits: { files: 1, fields: 32, fileSize: 256 << 20 } });
    parser.on('field', (name, value) => {
      fields[name] = value;
    });
    parser.on('file', (_name, stream, info) => {
      fileName = info.filename ?? '';
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    });
    parser.on('error', reject);
    parser.on('close', () =>
      resolve({ fields, file: fileName === undefined ? undefined : Buffer.concat(chunks), fileName: fileName ?? '' }),
    );
    request.pipe(parser);
  });
}

/** `UploadAutoForce` and `UploadManual` (spec §4, §7.4). */
export class Uploads {
  constructor(
    private readonly repository: Repository,
    private readonly access: Access,
    private readonly faults: Faults,
    private readonly feed: Feed,
  ) {}

  async serve(exchange: Exchange, caller: Caller, kind: 'auto' | 'manual'): Promise<void> {
    const { response } = exchange;
    const form = await readForm(exchange);
    await sleep(this.faults.take('slowUpload', caller.user) ?? 0);
    const { fields } = form;
    const pkg = this.repository.packageOf(fields.pkg_id ?? '');
    const name = fields.ocs_name ?? (fields.name ?? form.fileName).split('/').at(-1) ?? '';
    const folder = (fields.ocs_path ?? '/').replace(/\/+$/, '');
    const fullName = `${folder.startsWith('/') || folder === '' ? '' : '/'}${folder}/${name}`;
    const fail = (status: number, message: string): void => {
      this.feed.uploadStatus(caller.user, name, true);
      sendJson(response, status, { error: true, message });
    };
    if (!pkg || !form.file || name === '') return fail(400, 'pkg_id, a name and a file are needed');
    if (!pkg.s3Bucket) return fail(400, 'the package has no bucket');
    if (!this.access.may(caller, 'write', pkg, fullName)) return fail(403, 'not allowed');
    if (fields.overwrite !== 'true' && this.repository.find(pkg.package_id, fullName))
      return fail(500, 'the file exists');
    const { document } = await this.repository.put({
      package: pkg.package_id,
      fullName,
      type: fields.object_type_name ?? this.#typeOf(name),
      body: form.file,
      metadata: JSON.parse(fields.metadata ?? '{}') as Record<string, unknown>,
      owner: caller.user,
    });
    this.feed.uploadStatus(caller.user, name, false);
    if (kind === 'auto') return sendJson(response, 200, { status: 'ok' });
    const [, , bucket, ...key] = document.ocs_url.split('/');
    sendJson(response, 200, {
      dataset_id: document.ocs_dataset_id,
      package_id: document.ocs_package_id,
      name,
      type_name: document.ocs_type_name,
      created_at: document.ocs_created_at,
      created_by: document.ocs_created_by,
      updated_at: document.ocs_updated_at,
      s3_bucket: bucket,
      s3_key: key.join('/'),
      metadata: JSON.parse(fields.metadata ?? '{}'),
    });
  }

  /** The server picks the type of an automatic upload: a type without required fields, else the first. */
  #typeOf(name: string): string {
    const types = this.repository.objectTypes;
    const label = name.endsWith('.xml') ? types.find((type) => type.name.endsWith('label')) : undefined;
    return (label ?? types.find((type) => !type.schema.required?.length) ?? types[0])?.name ?? '';
  }
}
