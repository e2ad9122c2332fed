import { type Client, createClientAsync } from 'soap';
import { XmlError, xmlReader } from '../../src/formats/xml.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import { type FetchResponse, guardedFetch } from '../../src/net/fetch.js';
import type { Guard } from '../../src/net/guard.js';
import { type AnswerNode, answerReader, type ContentForm } from './answer.js';
import { type Unresolved, unresolvedNames } from './examine.js';
import { faultOf, type SiteFault } from './fault.js';
import { parameterOf, readMultipart } from './multipart.js';
import type { Operation, SiteProfile } from './site.js';

export interface CallerOptions {
  readonly profile: SiteProfile;
  /** URL of the WSDL, or a file. */
  readonly wsdl: string;
  /** Instead of the address in the WSDL. */
  readonly endpoint: string | null;
  readonly guard: Guard;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds without a byte after which an answer is given up. */
  readonly idle: number;
}

/** Nested arguments by wire name. */
export interface Arguments {
  readonly [name: string]: string | number | readonly (string | number)[] | Arguments;
}

export interface Called {
  /** The wrapper of the answer. */
  readonly answer: AnswerNode;
  readonly cookies: readonly string[];
  readonly form: ContentForm;
}

export interface CallExtras {
  readonly headerXml?: string | undefined;
  readonly cookie?: string | undefined;
  readonly signal: AbortSignal;
  /** Names of the content element, and where its bytes go. */
  readonly content?: { readonly path: readonly string[]; readonly write: (bytes: Uint8Array) => Promise<void> };
}

const MAX_WSDL = 8 * 1024 * 1024;

/**
 * Calls of a site by its own WSDL: the library builds the request, the answer is read as it streams in. Throws SiteFault for
 * a fault with whatever HTTP status, MpdError for everything else.
 */
export function siteCaller(options: CallerOptions) {
  const { profile, guard } = options;
  let loading: Promise<Client> | null = null;

  const http = async (url: string, init: Parameters<typeof guardedFetch>[2]): Promise<FetchResponse> =>
    guardedFetch(guard, url, {
      ...init,
      idleTimeoutMs: options.idle,
      headers: { ...options.headers, ...init?.headers },
      ...(options.tls !== null && { tls: options.tls }),
    });

  const load = (): Promise<Client> => {
    loading ??= createClientAsync(options.wsdl, {
      disableCache: true,
      forceSoap12Headers: profile.soap === '1.2',
      ...(options.endpoint !== null && { endpoint: options.endpoint }),
      httpClient: {
        request: ((url: string, _data: unknown, done: (error: unknown, response?: unknown, body?: string) => void) => {
          (async () => {
            const response = await http(url, {});
            const text = await response.text(MAX_WSDL);
            if (response.status !== 200) throw new Error(`${url} answers HTTP ${response.status}`);
            refuseDoctype(text);
            return { response, text };
          })().then(
            ({ response, text }) => done(null, { ...response, statusCode: response.status }, text),
            (error) => done(error),
          );
        }) as never,
      },
    }).catch((error: unknown) => {
      loading = null;
      if (isMpdError(error)) throw error;
      throw new MpdError('Internal', {
        class: 'target-down',
        message: `the WSDL ${options.wsdl} cannot be used: ${(error as Error).message}`,
        cause: error,
      });
    });
    return loading;
  };

  /** The request as the library builds it from the WSDL; it is caught instead of sent. */
  const build = async (operation: Operation, args: Arguments, headerXml?: string) => {
    const name = nameOf(operation);
    const client = await load();
    const scope = profile.service === undefined ? client : client[profile.service];
    const port = profile.port === undefined || profile.service === undefined ? scope : scope?.[profile.port];
    const method = port?.[name];
    if (typeof method !== 'function') {
      throw new MpdError('Internal', {
        class: 'fatal',
        message: `the WSDL has no operation ${name}, which the site profile names for ${operation}`,
      });
    }
    const caught = new Promise<{ url: string; xml: string; headers: Record<string, string> }>((resolve, reject) => {
      const catching = {
        request(url: string, xml: string, _done: unknown, headers: Record<string, string>) {
          resolve({ url, xml, headers });
          return new Promise(() => undefined);
        },
      };
      const before = (client as unknown as { httpClient: unknown }).httpClient;
      (client as unknown as { httpClient: unknown }).httpClient = catching;
      try {
        method.call(client, args, (error: unknown) => error && reject(error as Error), {
          postProcess: (xml: string) => (headerXml === undefined ? xml : withHeader(xml, headerXml)),
        });
      } catch (error) {
        reject(error as Error);
      } finally {
        (client as unknown as { httpClient: unknown }).httpClient = before;
      }
    });
    return caught;
  };

  const nameOf = (operation: Operation): string => {
    const name = profile.operations[operation];
    if (name === undefined) {
      throw new MpdError('Unsupported Operation', {
        class: 'refuse',
        message: `this EDDS site has no operation for ${operation}`,
      });
    }
    return name;
  };

  return {
    has: (operation: Operation): boolean => profile.operations[operation] !== undefined,
    load,
    /** Names of the profile that the WSDL does not have. */
    unresolved: async (): Promise<readonly Unresolved[]> => unresolvedNames((await load()).describe(), profile),

    async call(operation: Operation, args: Arguments, extras: CallExtras): Promise<Called> {
      const { url, xml, headers } = await build(operation, args, extras.headerXml);
      const response = await http(url, {
        method: 'POST',
        body: xml,
        signal: extras.signal,
        headers: { ...headers, ...(extras.cookie !== undefined && { cookie: extras.cookie }) },
      });
      const type = String(response.headers['content-type'] ?? '');
      if (!/xml|multipart\/related/i.test(type)) {
        response.discard();
        throw broken(
          response.status >= 500 ? 'target-down' : 'retry',
          `EDDS answers HTTP ${response.status} without SOAP`,
        );
      }
      try {
        const { root, form } = await readAnswer(response, type, extras.content, profile.limits.answer);
        const body = root.children.find((child) => child.name === 'Body');
        if (root.name !== 'Envelope' || body === undefined)
          throw broken('retry', 'the answer of EDDS is no SOAP envelope');
        const fault: SiteFault | null = faultOf(body, profile);
        if (fault !== null) throw fault;
        const answer = body.children[0];
        if (answer === undefined) throw broken('retry', 'the answer of EDDS is empty');
        return { answer, form, cookies: response.headers['set-cookie'] ?? [] };
      } catch (error) {
        if (error instanceof XmlError)
          throw broken('retry', `the answer of EDDS cannot be read: ${error.message}`, error);
        throw error;
      }
    },
  };
}

export type SiteCaller = ReturnType<typeof siteCaller>;

async function readAnswer(
  response: FetchResponse,
  type: string,
  content: CallExtras['content'],
  maxBytes: number,
): Promise<{ root: AnswerNode; form: ContentForm }> {
  const reader = answerReader({ maxBytes, ...(content && { content: content.path }) });
  const pass = async (pieces: readonly Uint8Array[]): Promise<void> => {
    for (const piece of pieces) await content?.write(piece);
  };
  if (!/^multipart\/related/i.test(type)) {
    for await (const chunk of response.body) await pass(reader.write(chunk));
    return { root: reader.end(), form: reader.form };
  }
  const boundary = parameterOf(type, 'boundary');
  if (boundary === null) throw broken('retry', 'the answer of EDDS has attachments without a boundary');
  let root: AnswerNode | null = null;
  let part = 0;
  let wanted = false;
  let found = false;
  try {
    for await (const event of readMultipart(response.body, boundary)) {
      if (event.kind === 'data') {
        if (part === 1) await pass(reader.write(event.data));
        else if (wanted) await content?.write(event.data);
        continue;
      }
      if (++part === 2) root = reader.end();
      wanted =
        part > 1 &&
        reader.attachment !== null &&
        (event.headers['content-id'] ?? '').replace(/^<|>$/g, '') === reader.attachment;
      found ||= wanted;
    }
  } catch (error) {
    if (error instanceof XmlError || isMpdError(error)) throw error;
    throw broken('retry', (error as Error).message, error);
  }
  root ??= reader.end();
  if (reader.attachment !== null && !found) throw broken('retry', 'the attachment with the content is missing');
  return { root, form: reader.form };
}

function refuseDoctype(text: string): void {
  const reader = xmlReader({ open: () => undefined }, { maxBytes: MAX_WSDL });
  reader.write(Buffer.from(text));
  reader.end();
}

function withHeader(xml: string, header: string): string {
  const body = /<([\w-]+):Body/.exec(xml);
  if (body === null) return xml;
  const head = `<${body[1]}:Header>${header}</${body[1]}:Header>`;
  return xml.slice(0, body.index) + head + xml.slice(body.index);
}

function broken(errorClass: 'retry' | 'target-down', message: string, cause?: unknown): MpdError {
  return new MpdError('Internal', { class: errorClass, message, cause });
}
