/** Ports of loopback that nobody listens on at the moment. */
import {createServer} from 'node:net';

export async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(
    Array.from({length: count}, async () => {
      const probe = createServer();
      await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
      return probe;
    }),
  );
  return Promise.all(
    probes.map(async probe => {
      const address = probe.address();
      await new Promise<void>(resolve => probe.close(() => resolve()));
      if (address === null || typeof address === 'string') throw new Error('there is no port');
      return address.port;
    }),
  );
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('there is no port');
  return port;
}
