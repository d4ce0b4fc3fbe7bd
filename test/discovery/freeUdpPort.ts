/** A port of UDP that nobody had a moment ago. */
import {createSocket} from 'node:dgram';
import type {AddressInfo} from 'node:net';

export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.bind(0, () => resolve()));
  const {port} = socket.address() as AddressInfo;
  await new Promise<void>(resolve => socket.close(() => resolve()));
  return port;
}
