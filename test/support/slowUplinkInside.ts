/**
 * The program within a network of its own that measures a slow link: for each slowness of its argument, the shortest round trip and the time that
 * so many bytes take, as a line of JSON. It ends when its input does.
 */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createServer} from 'node:net';
import {createInterface} from 'node:readline';
import * as z from 'zod';
import {CLIENTS, HostNetwork} from './hostNetwork.ts';
import {SlowUplink} from './slowUplink.ts';

const Options = z.object({
  slownesses: z.array(z.object({delayMs: z.number(), bytesPerSecond: z.number()})),
  bytes: z.number(),
});
export type MeasureOptions = z.infer<typeof Options>;

/** Of one slowness. */
export interface Measured {
  readonly roundTripMs: number;
  readonly sentMs: number;
}

const [HOST, UPLINK] = ['far', 'uplink'];
const PORT = 7700;
const ROUND_TRIPS = 3;

process.stdin.once('end', () => process.exit(1)).resume();

/** On the host behind the link, to an address that answers everything with itself. */
const CLIENT = `
const {connect} = require('node:net');
const [host, port, bytes, trips] = process.argv.slice(1);
const echo = size => new Promise((resolve, reject) => {
  const began = performance.now();
  let heard = 0;
  const socket = connect({host, port: Number(port), noDelay: true}, () => socket.write(Buffer.alloc(size)));
  socket.on('error', reject).on('data', chunk => {
    heard += chunk.length;
    if (heard < size) return;
    socket.destroy();
    resolve(performance.now() - began);
  });
});
(async () => {
  const times = [];
  for (let trip = 0; trip < Number(trips); trip++) times.push(await echo(1));
  console.log(JSON.stringify({roundTripMs: Math.min(...times), sentMs: await echo(Number(bytes))}));
})();`;

const {slownesses, bytes} = Options.parse(JSON.parse(process.argv[2] ?? ''));
const network = await HostNetwork.create([HOST, UPLINK]);
const address = network.address(CLIENTS);
const server = createServer({noDelay: true}, socket => {
  socket.on('error', () => undefined);
  socket.pipe(socket);
});
await once(server.listen(PORT, address), 'listening');
const link = await SlowUplink.start(network, {host: HOST, uplink: UPLINK}, [{host: address, port: PORT}]);
for (const slowness of slownesses) {
  await link.be(slowness);
  const [program = '', ...args] = [
    ...network.through(HOST),
    ...[process.execPath, '-e', CLIENT, address, String(PORT), String(bytes), String(ROUND_TRIPS)],
  ];
  const client = spawn(program, args, {stdio: ['ignore', 'pipe', 'inherit']});
  const [line] = await once(createInterface({input: client.stdout}), 'line');
  console.log(line);
}
await link.stop();
process.exit(0);
