import type { Encoding } from '../encoding/encoding.js';
import { writeError } from '../encoding/error-body.js';
import type { Grammar } from '../encoding/grammar.js';
import type { MalError } from '../errors.js';
import { type Channel, encodeBody, encodeLongBody, isLong, type MessageHeader } from '../message.js';
import type { BodyDescriptor, RegisteredType } from '../schema/index.js';
import { fromMs } from '../types/index.js';

/** Answers to an initiator's message: addresses swapped, everything that identifies the interaction copied. */
export interface Replies {
  body<V>(
    channel: Channel,
    encoding: Encoding,
    request: MessageHeader,
    stage: number,
    type: BodyDescriptor<V>,
    value: V,
  ): Promise<void>;
  error(
    channel: Channel,
    encoding: Encoding,
    request: MessageHeader,
    stage: number,
    error: MalError,
    extraType: RegisteredType | null,
  ): Promise<void>;
}

export const NO_AUTHENTICATION = new Uint8Array(0);

export const replyHeader = (request: MessageHeader, stage: number, isError: boolean, nowMs: number): MessageHeader => ({
  ...request,
  from: request.to,
  to: request.from,
  authenticationId: NO_AUTHENTICATION,
  supplements: [],
  timestamp: fromMs(nowMs),
  interactionStage: stage,
  isError,
});

export const createReplies = (grammar: Grammar, now: () => number): Replies => ({
  body(channel, encoding, request, stage, type, value) {
    const send = (body: readonly Uint8Array[]): Promise<void> =>
      channel.send({ header: replyHeader(request, stage, false, now()), body, encoding });
    if (isLong(type, value)) return encodeLongBody(grammar, encoding, type, value).then(send);
    return send(encodeBody(grammar, encoding, type, value));
  },
  error(channel, encoding, request, stage, error, extraType) {
    const writer = encoding.createWriter();
    writeError(grammar, writer, error, extraType);
    return channel.send({ header: replyHeader(request, stage, true, now()), body: writer.finish(), encoding });
  },
});
