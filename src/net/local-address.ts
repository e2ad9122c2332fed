import { createSocket } from 'node:dgram';

/** The address of this machine from which packets to a `malhttp://host:port` leave: where its provider finds a consumer. Nothing is sent. */
export async function localAddress(root: string): Promise<string> {
  const { hostname, port } = new URL(root.replace(/^malhttp/, 'http'));
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(Number(port) || 80, host, (error?: Error) => (error ? reject(error) : resolve()));
    });
    return socket.address().address;
  } catch {
    // The provider cannot be reached: the call itself says so.
    return '127.0.0.1';
  } finally {
    socket.close();
  }
}
