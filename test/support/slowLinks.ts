/**
 * The uplink of a host, as a process on another one: whoever is on the first reaches the given addresses through here, slowly, and no other way.
 * `tsx slowLinks.ts JSON`. Says when it is ready, takes what it is to be like line by line on its standard input, says when it is,
 * and ends when that does.
 */
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {createServer, Server} from 'node:net';
import {createInterface} from 'node:readline';
import * as z from 'zod';
import {CuttingProxy} from './cuttingProxy.ts';

const Options = z.object({
  targets: z.array(z.object({host: z.string(), port: z.number()})),
  /** What a command line begins with to run on the host whose uplink this is; absent there. */
  through: z.array(z.string()).optional(),
});
export type SlowLinksOptions = z.infer<typeof Options>;
const Slowness = z.object({delayMs: z.number(), bytesPerSecond: z.number()});
export type Slowness = z.infer<typeof Slowness>;

const options = Options.parse(JSON.parse(process.argv[2] ?? ''));
if (options.through) await carry(options, options.through);
else await listenInstead(options);

/** The doors are opened on the other host, which has the addresses for its own, and handed over. */
async function carry({targets}: SlowLinksOptions, through: readonly string[]): Promise<void> {
  const [program = '', ...args] = [...through, process.execPath, '--import', 'tsx', process.argv[1] ?? ''];
  const inner = spawn(program, [...args, JSON.stringify({targets})], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const proxies: CuttingProxy[] = [];
  inner.on('message', (at, server) => {
    const {host, port} = targets[Number(at)] ?? {host: '', port: 0};
    if (!(server instanceof Server)) throw new Error('a door was not handed over');
    proxies.push(CuttingProxy.behind(server, () => port, host));
    if (proxies.length === targets.length) console.log('ready');
  });
  inner.once('exit', () => process.exit(1));
  createInterface({input: process.stdin})
    .on('line', line => {
      const {delayMs, bytesPerSecond} = Slowness.parse(JSON.parse(line));
      for (const proxy of proxies) {
        proxy.delay(delayMs);
        proxy.narrow(bytesPerSecond);
      }
      console.log('changed');
    })
    .once('close', () => process.exit(0));
}

async function listenInstead({targets}: SlowLinksOptions): Promise<void> {
  process.once('disconnect', () => process.exit(0));
  for (const [at, {host, port}] of targets.entries()) {
    const {status, stderr} = spawnSync('ip', ['address', 'replace', `${host}/32`, 'dev', 'lo'], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`ip address replace ${host}: ${stderr}`);
    const server = createServer().listen(port, host);
    await once(server, 'listening');
    // As long as it is open here too, part of the connections end here.
    process.send?.(at, server, undefined, () => server.close());
  }
}
