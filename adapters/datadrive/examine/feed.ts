import type { Examined } from '../../../src/gateway/examine.js';
import { discard } from '../http.js';
import type { EventQueue } from '../queue.js';
import type { Examination } from './examination.js';
import { bad, good, messageOf } from './findings.js';

export async function examineMiddleware(
  { http, login }: Examination,
  url: string,
  signal: AbortSignal,
): Promise<Examined> {
  const part = `event feed ${url}`;
  try {
    const response = await http(`${url}/`, { headers: { cookie: (await login?.cookie()) ?? '' }, signal });
    discard(response);
    const { statusCode = 0 } = response;
    if (statusCode === 401) return bad(part, 'does not take the login (401)', 'renew the token of login');
    if (statusCode >= 400) return bad(part, `answered ${statusCode}`, 'see middleware.url');
    return good(part, 'answers, and the login is taken');
  } catch (error) {
    return bad(part, messageOf(error), 'see middleware.url and login; without the feed changes are found by polling');
  }
}

export async function examineQueue(url: string, queue: EventQueue, signal: AbortSignal): Promise<Examined> {
  const part = `event queue ${url}`;
  try {
    return good(part, `can be read, about ${await queue.waiting(signal)} messages wait`);
  } catch (error) {
    const advice = 'see queue.url, queue.region and the keys; without the queue changes are found by polling';
    return bad(part, messageOf(error), advice);
  }
}
