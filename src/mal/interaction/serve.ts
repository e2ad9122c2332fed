import type { Grammar } from '../encoding/grammar.js';
import { type MalError, malError } from '../errors.js';
import { type Channel, decodeBody, type IncomingMessage } from '../message.js';
import type { BodyDescriptor, OperationDescriptor, RegisteredType } from '../schema/index.js';
import type { AnyHandler, ProgressInteraction } from './handlers.js';
import type { Replies } from './replies.js';

export interface ServeOptions<P> {
  readonly grammar: Grammar;
  readonly replies: Replies;
  readonly message: IncomingMessage;
  readonly channel: Channel;
  readonly principal: P;
  readonly operation: Exclude<OperationDescriptor, { readonly pattern: 'pubsub' }>;
  readonly handler: AnyHandler<P>;
  readonly signal: AbortSignal;
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
  const abort = new AbortController();
  const stop = (): void => abort.abort(options.signal.reason);
  options.signal.addEventListener('abort', stop);
  const forget = channel.onClose(() => abort.abort(malError('Destination Lost', 'the consumer is gone')));
  let acknowledged = false;
  const reply = (stage: number, type: BodyDescriptor, body: unknown): Promise<void> =>
    replies.body(channel, encoding, header, stage, type, body);

  const interaction: ProgressInteraction<P, unknown, unknown> = {
    principal: options.principal,
    header,
    peer: channel.peer,
    signal: abort.signal,
    async ack(body) {
      if (stages.ack === null || acknowledged) throw new Error(`${operation.name}: no acknowledgement is due`);
      acknowledged = true;
      await reply(2, stages.ack, body);
    },
    async update(body) {
      if (stages.update === null || !acknowledged) throw new Error(`${operation.name}: no update is due`);
      await reply(3, stages.update, body);
    },
  };
  try {
    const result = await options.handler(value as never, interaction);
    if (stages.ack !== null && !acknowledged) await interaction.ack({});
    if (stages.final !== null) await reply(stages.finalStage, stages.final, result ?? {});
  } catch (thrown) {
    const error = options.toMalError(thrown, operation);
    if (stages.final === null || !channel.open) return;
    const stage = stages.ack === null || acknowledged ? stages.finalStage : 2;
    await replies.error(channel, encoding, header, stage, error, declaredExtra(operation, error));
  } finally {
    options.signal.removeEventListener('abort', stop);
    forget();
  }
}

const NOTHING: BodyDescriptor = { fields: [] };

function stagesOf(operation: ServeOptions<unknown>['operation']): Stages {
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
