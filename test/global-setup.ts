import { type AddressInfo, createServer } from 'node:net';
import type { EmbeddedServer } from '../src/store/embedded/server.js';
import { KEEPER_PORT, startTestServer } from '../src/store/testing.js';

/** Keeps one database server for the whole run: started when the first test file asks for it, stopped at the end. */
export async function setup(): Promise<() => Promise<void>> {
  let server: Promise<EmbeddedServer> | undefined;
  const keeper = createServer((socket) => {
    socket.on('error', () => undefined);
    server ??= startTestServer();
    server.then(
      ({ url }) => socket.end(JSON.stringify({ url })),
      (error: Error) => socket.end(JSON.stringify({ error: error.message })),
    );
  });
  await new Promise<void>((resolve) => keeper.listen(0, '127.0.0.1', resolve));
  keeper.unref();
  process.env[KEEPER_PORT] = String((keeper.address() as AddressInfo).port);
  return async () => {
    keeper.close();
    await server?.then((started) => started.stop());
  };
}
