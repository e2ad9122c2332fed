import {
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { Logger } from 'pino';
import type { Guard } from '../../src/net/guard.js';
import type { DataDriveConfig } from './config.js';
import { eventOf, type FeedEvent, objectIn } from './feed-event.js';
import { quietSleep } from './quiet.js';

type Config = NonNullable<DataDriveConfig['queue']>;

interface Options {
  readonly guard: Guard;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onEvent: (event: FeedEvent) => void;
  /** Something happened to a file that the message does not name by its id: the index is asked soon and often. */
  readonly onHint: () => void;
  /** Connected anew: what came in between is unknown. */
  readonly onGap: () => void;
}

/** A queue that the site's event topic, or its buckets, fill. Messages only hurry the polling, so one that was read is done. */
export interface EventQueue {
  /** For as long as the signal allows, over failures. */
  listen(options: Options): Promise<void>;
  /** Messages that wait. @throws when the queue cannot be read */
  waiting(signal: AbortSignal): Promise<number>;
  close(): void;
}

const LONG_POLL_S = 20;
const BATCH = 10;
const LONGEST_PAUSE_MS = 60_000;

export function createQueue(config: Config, guard: Guard): EventQueue {
  const { url: QueueUrl, region, accessKeyId, secretAccessKey, sessionToken } = config;
  const client = new SQSClient({
    region,
    ...(accessKeyId &&
      secretAccessKey && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
    requestHandler: {
      httpAgent: guard.agent('http'),
      httpsAgent: guard.agent('https'),
      connectionTimeout: 10_000,
      socketTimeout: (LONG_POLL_S + 20) * 1000,
    },
  });

  async function receive(abortSignal: AbortSignal): Promise<readonly Message[]> {
    const command = new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: LONG_POLL_S, MaxNumberOfMessages: BATCH });
    return (await client.send(command, { abortSignal })).Messages ?? [];
  }

  async function done(messages: readonly Message[]): Promise<void> {
    const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
    await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
  }

  return {
    async listen({ log, signal, onEvent, onHint, onGap }) {
      let broken = true;
      let told = '';
      for (let pause = 500; !signal.aborted; ) {
        try {
          const messages = await receive(signal);
          if (broken) onGap();
          if (told !== '') log.info('the event queue is back');
          [broken, told, pause] = [false, '', 500];
          for (const { Body = '' } of messages) {
            const event = parseMessage(Body, config.removed);
            if (event === 'hint') onHint();
            else if (event) onEvent(event);
            else log.debug({ body: Body.slice(0, 200) }, 'a message of the queue that is no event of a file');
          }
          if (messages.length > 0) await done(messages);
        } catch (error) {
          if (signal.aborted) return;
          broken = true;
          const text = `the event queue failed: ${(error as Error).message}`;
          if (told !== text) log.warn(`${text}; until it is back changes are found by polling`);
          told = text;
          await quietSleep(pause, signal);
          pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
        }
      }
    },
    async waiting(abortSignal) {
      const AttributeNames = ['ApproximateNumberOfMessages' as const];
      const answer = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }), { abortSignal });
      return Number(answer.Attributes?.ApproximateNumberOfMessages ?? 0);
    },
    close: () => client.destroy(),
  };
}

/**
 * An event of the topic, raw or in the envelope of the topic, with the names of the websocket or the oldest ones (`event_type`);
 * or an event of a bucket, which knows no id. null for anything else.
 */
export function parseMessage(text: string, removed: readonly string[]): FeedEvent | 'hint' | null {
  const message = objectIn(text);
  if (message === null) return null;
  if (message.Type === 'Notification' && typeof message.Message === 'string')
    return parseMessage(message.Message, removed);
  if (Array.isArray(message.Records)) return message.Records.length > 0 ? 'hint' : null;
  if (message.source === 'aws.s3') return 'hint';
  const name = message.package_dataset_event ?? message.event_type;
  if (typeof name !== 'string') return null;
  const id = message.dataset_id ?? message.ocs_dataset_id;
  return eventOf({ dataset_id: id, package_dataset_event: name }, removed) ?? 'hint';
}
