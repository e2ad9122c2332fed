import { Blob, Identifier, Integer, Long, MalString, malArea } from '../area.js';
import { createGrammar } from '../encoding/index.js';
import {
  area,
  createRegistry,
  error,
  invoke,
  list,
  nullable,
  progress,
  pubsub,
  raises,
  request,
  send,
  service,
  submit,
} from '../schema/index.js';

/** A service with one operation of each pattern, for tests of the patterns. */

const Refused = error('Refused', 7);
const errors = [raises(Refused, list(Integer))];
const common = { capabilitySet: 1, errors };

export const Everything = service('Everything', 3, {
  note: send('note', 1, { ...common, send: { text: MalString } }),
  store: submit('store', 2, { ...common, submit: { text: MalString } }),
  add: request('add', 3, { ...common, request: { a: Long, b: nullable(Long) }, response: { sum: Long } }),
  think: invoke('think', 4, {
    ...common,
    invoke: { question: MalString },
    acknowledgement: { ticket: Integer },
    response: { answer: MalString },
  }),
  count: progress('count', 5, {
    ...common,
    progress: { to: Integer, size: Integer },
    acknowledgement: {},
    update: { number: Integer, body: Blob },
    response: { total: Integer },
  }),
  news: pubsub('news', 6, {
    ...common,
    keys: { topic: Identifier, number: Long },
    publishNotify: { text: MalString },
  }),
  weather: pubsub('weather', 7, { ...common, keys: { place: Identifier }, publishNotify: { text: MalString } }),
});

export const testArea = area({
  name: 'Test',
  number: 200,
  version: 4,
  types: [],
  services: { Everything },
  errors: [Refused],
});

export const testGrammar = createGrammar(createRegistry([malArea, testArea]));
