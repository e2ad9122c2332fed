import type { Encoding } from '../encoding/encoding.js';
import type { Grammar } from '../encoding/grammar.js';
import type { MalError } from '../errors.js';
import { type Channel, decodeBody, type IncomingMessage, type MessageHeader, type Peer } from '../message.js';
import type { BodyDescriptor, OperationDescriptor, RegisteredType } from '../schema/index.js';
import type { AnyHandler, ProgressInteraction } from './handlers.js';
import type { Replies } from './replies.js';
import type { Signals } from './signals.js';

export interface ServeOptions<P> {
  readonly grammar: Grammar;
  readonly replies: Replies;
  readonly message: IncomingMessage;
  readonly channel: Channel;
  readonly principal: P;
  readonly operation: Exclude<OperationDescriptor, { readonly pattern: 'pubsub' }>;
  readonly handler: AnyHandler<P>;
  readonly signals: Signals;
  readonly toMalError: (error: unknown, operation: OperationDescriptor) => MalError;
}

/** Stage number and body of what a provider sends, by pattern. */
interface Stages {
  readonly input: BodyDescriptor;
  readonly ack: BodyDescriptor | null;
  readonly update: BodyDescriptor | null;
  readonly final: BodyDescriptor | null;
  readonly finalStage: number;
}

/** The provider's side of send, submit, request, invoke and progress, from the decoded body to the last message. */
export async function serve<P>(options: ServeOptions<P>): Promise<void> {
  const { grammar, replies, message, channel, operation } = options;
  const { header } = message;
  const stages = stagesOf(operation);
  const { value, encoding } = decodeBody(grammar, channel, stages.input, message.body);
  const served = new Served(options, stages, encoding);
  try {
    const result = await options.handler(value as never, served);
    if (stages.ack !== null && !served.acknowledged) await served.ack({});
    if (stages.final !== null) {
      await replies.body(channel, encoding, header, stages.finalStage, stages.final, result ?? {});
    }
  } catch (thrown) {
    const error = options.toMalError(thrown, operation);
    if (stages.final === null || !channel.open) return;
    const stage = stages.ack === null || served.acknowledged ? stages.finalStage : 2;
    await replies.error(channel, encoding, header, stage, error, declaredExtra(operation, error));
  } finally {
    served.end();
  }
}

/** One interaction as its handler sees it. */
class Served<P> implements ProgressInteraction<P, unknown, unknown> {
  acknowledged = false;
  private held: ReturnType<Signals['take']> | null = null;

  constructor(
    private readonly options: ServeOptions<P>,
    private readonly stages: Stages,
    private readonly encoding: Encoding,
  ) {}

  get principal(): P {
    return this.options.principal;
  }

  get header(): MessageHeader {
    return this.options.message.header;
  }

  get peer(): Peer {
    return this.options.channel.peer;
  }

  get signal(): AbortSignal {
    this.held ??= this.options.signals.take(this.options.channel);
    return this.held.signal;
  }

  readonly ack = async (body: unknown): Promise<void> => {
    const { ack } = this.stages;
    if (ack === null || this.acknowledged) {
      throw new Error(`${this.options.operation.name}: no acknowledgement is due`);
    }
    this.acknowledged = true;
    await this.reply(2, ack, body);
  };

  readonly update = async (body: unknown): Promise<void> => {
    const { update } = this.stages;
    if (update === null || !this.acknowledged) throw new Error(`${this.options.operation.name}: no update is due`);
    await this.reply(3, update, body);
  };

  end(): void {
    this.held?.release();
  }

  private reply(stage: number, type: BodyDescriptor, body: unknown): Promise<void> {
    const { replies, channel } = this.options;
    return replies.body(channel, this.encoding, this.header, stage, type, body);
  }
}

const NOTHING: BodyDescriptor = { fields: [] };

const known = new WeakMap<OperationDescriptor, Stages>();

/** Body of the message that begins an interaction. */
export const inputOf = (operation: ServeOptions<unknown>['operation']): BodyDescriptor => stagesOf(operation).input;

function stagesOf(operation: ServeOptions<unknown>['operation']): Stages {
  let stages = known.get(operation);
  if (stages === undefined) {
    stages = createStages(operation);
    known.set(operation, stages);
  }
  return stages;
}

function createStages(operation: ServeOptions<unknown>['operation']): Stages {
  const none = { ack: null, update: null, final: null, finalStage: 0 };
  switch (operation.pattern) {
    case 'send':
      return { ...none, input: operation.send };
    case 'submit':
      return { ...none, input: operation.submit, final: NOTHING, finalStage: 2 };
    case 'request':
      return { ...none, input: operation.request, final: operation.response, finalStage: 2 };
    case 'invoke':
      return {
        ...none,
        input: operation.invoke,
        ack: operation.acknowledgement,
        final: operation.response,
        finalStage: 3,
      };
    case 'progress':
      return {
        input: operation.progress,
        ack: operation.acknowledgement,
        update: operation.update,
        final: operation.response,
        finalStage: 4,
      };
  }
}

/** Type that the operation declares for the extra information of an error. */
export function declaredExtra(operation: OperationDescriptor, error: MalError): RegisteredType | null {
  const type = operation.errors.find((use) => use.error.number === error.number)?.extraInformation ?? null;
  if (type === null || type.kind === 'any-attribute' || type.kind === 'abstract') return null;
  return fits(type, error.extraInformation) ? type : null;
}

/** Whether a value is of the type, as far as the types go that extra information has. */
function fits(type: RegisteredType, value: unknown): boolean {
  if (type.kind === 'list')
    return Array.isArray(value) && value.every((entry) => fits(type.item as RegisteredType, entry));
  if (type.kind !== 'attribute') return true;
  if (type.name === 'Long' || type.name === 'ULong') return typeof value === 'bigint';
  if (type.name === 'Integer' || type.name === 'UInteger') return Number.isInteger(value);
  return type.name !== 'String' || typeof value === 'string';
}
