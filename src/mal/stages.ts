import type { InteractionType } from './area.js';

/** Interaction stages by pattern (MAL 3): the number is the place in the list, from 1. */
export const STAGES = {
  SEND: ['send'],
  SUBMIT: ['submit', 'ack'],
  REQUEST: ['request', 'response'],
  INVOKE: ['invoke', 'ack', 'response'],
  PROGRESS: ['progress', 'ack', 'update', 'response'],
  PUBSUB: [
    'register',
    'registerAck',
    'publishRegister',
    'publishRegisterAck',
    'publish',
    'notify',
    'deregister',
    'deregisterAck',
    'publishDeregister',
    'publishDeregisterAck',
  ],
} as const satisfies Record<InteractionType, readonly string[]>;

export const PUBSUB = {
  register: 1,
  registerAck: 2,
  publishRegister: 3,
  publishRegisterAck: 4,
  publish: 5,
  notify: 6,
  deregister: 7,
  deregisterAck: 8,
  publishDeregister: 9,
  publishDeregisterAck: 10,
} as const;

/** Whether the initiator of an interaction sends this stage to a provider or broker. */
export const isFromInitiator = (type: InteractionType, stage: number): boolean =>
  type === 'PUBSUB' ? stage % 2 === 1 : stage === 1;

/** Stage in which an error answers a message of the initiator; PUBLISH is answered by itself; null where nothing is answered. */
export function errorStage(type: InteractionType, stage: number): number | null {
  if (type === 'SEND' || !isFromInitiator(type, stage)) return null;
  return type === 'PUBSUB' && stage === PUBSUB.publish ? stage : stage + 1;
}
