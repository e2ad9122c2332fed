import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Access, Caller } from './access.js';
import type { Faults } from './faults.js';
import { decodeSegment, type Exchange, sendJson, sendText } from './http.js';
import type { ObjectStore } from './object-store.js';
import type { Repository } from './repository.js';

const forbidden = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>';

/** The data endpoint `GET /<bucket>/<key>` (spec §7.1): CSSO gets a redirect to a presigned link, CAM a JSON with one. */
export class Download {
  constructor(
    private readonly repository: Repository,
    private readonly objects: ObjectStore,
    private readonly access: Access,
    private readonly faults: Faults,
    private readonly presignedSeconds: number,
  ) {}

  async serve(exchange: Exchange, caller: Caller): Promise<void> {
    const { response } = exchange;
    await sleep(this.faults.take('pepDelayMs', caller.user) ?? 0);
    const status = this.faults.take('pepStatus', caller.user);
    if (status) return sendJson(response, status, { error: true, message: 'the data endpoint failed' });
    const [bucket = '', ...rest] = exchange.rawPath.split('/').slice(1);
    const key = rest.map(decodeSegment).join('/');
    const document = this.repository.byObject(bucket, key);
    if (!document) return sendJson(response, 404, { error: true, message: 'no such object' });
    const pkg = this.repository.packageOf(document.ocs_package_id);
    if (!pkg || !this.access.may(caller, 'read', pkg, document.ocs_full_name))
      return sendText(response, 403, 'application/xml', forbidden);
    if (await this.#broken(response, bucket, key, caller)) return;
    const link = await this.#link(bucket, key, caller);
    if (caller.cookie === 'mdmsSsoToken') return sendJson(response, 200, { presigned_url: link });
    response.writeHead(307, { location: link, 'content-length': 0 }).end();
  }

  async #link(bucket: string, key: string, caller: Caller): Promise<string> {
    const expired = this.faults.take('presignExpired', caller.user);
    const link = await this.objects.presign(bucket, key, expired ? 1 : this.presignedSeconds);
    if (expired) await sleep(2100);
    if (!this.faults.take('crossHostRedirect', caller.user)) return link;
    return link.replace('//127.0.0.1:', '//localhost:');
  }

  /** Sends the bytes itself when a switch spoils them; true when it has answered. */
  async #broken(response: ServerResponse, bucket: string, key: string, caller: Caller): Promise<boolean> {
    const truncate = this.faults.take('truncateBody', caller.user);
    const wrong = this.faults.take('wrongBytes', caller.user);
    const midStream = this.faults.take('expireMidStream', caller.user);
    if (!truncate && !wrong && !midStream) return false;
    const { size, stream } = await this.objects.get(bucket, key);
    const body = Buffer.concat((await stream.toArray()) as Buffer[]);
    if (wrong) body.set([(body[0] ?? 0) ^ 0xff], 0);
    const half = wrong && !truncate ? size : Math.floor(size / 2);
    response.writeHead(200, truncate === 'chunked' ? {} : { 'content-length': size });
    response.write(body.subarray(0, half));
    if (midStream) this.access.expire(caller.user);
    if (half === size) response.end();
    else {
      if (!response.writableNeedDrain) await sleep(20);
      else await once(response, 'drain');
      response.destroy();
    }
    return true;
  }
}
