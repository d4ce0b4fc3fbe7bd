/** Ways to the same tools: straight to a server over HTTP, through mcp-proxy to its standard input, through the hub to its standard input. */
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {bundle} from '../../support/bundle.ts';
import {freePort} from '../../support/freePorts.ts';
import {cacheFolder, inPackage, installPackage} from '../../support/npmCache.ts';
import {BenchProcess} from '../processes.ts';
import {treeCpuMs} from './processTree.ts';

export interface Way {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of its processes, those that it started among them, so far. */
  cpuMs(): Promise<number>;
  stop(): Promise<void>;
}

export interface Ground {
  /** Gets logs. */
  readonly scratch: string;
  /** The echo server, built. */
  readonly echo: string;
}

const PROXY = 'mcp-proxy@6.7.19';

export function wayOf(name: string, url: string, process: BenchProcess, headers: Way['headers'] = {}): Way {
  return {name, url, headers, cpuMs: () => treeCpuMs(process.child.pid), stop: () => process.stop()};
}

export async function startDirect({scratch, echo}: Ground, tools: number): Promise<Way> {
  const logFile = path.join(scratch, `direct-${tools}.log`);
  const server = BenchProcess.start(process.execPath, [echo, 'http', String(tools)], {logFile});
  return wayOf('direct', await firstLine(server), server);
}

export async function startProxy({scratch, echo}: Ground, tools: number): Promise<Way> {
  const program = await installProxy();
  const port = await freePort();
  const server = BenchProcess.start(
    process.execPath,
    [
      program,
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--server',
      'stream',
      '--',
      process.execPath,
      echo,
      'stdio',
      String(tools),
    ],
    {logFile: path.join(scratch, `proxy-${tools}.log`)},
  );
  const url = `http://127.0.0.1:${port}/mcp`;
  await server.until('mcp-proxy', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/ping`).catch(() => undefined);
    return answer?.ok || undefined;
  });
  return wayOf('mcp-proxy', url, server);
}

/** What a server prints first says where it is. */
export function firstLine(server: BenchProcess): Promise<string> {
  return server.until('the server', async () => {
    const text = await readFile(server.logFile, 'utf8');
    return text.includes('\n') ? text.slice(0, text.indexOf('\n')) : undefined;
  });
}

async function installProxy(): Promise<string> {
  const cache = cacheFolder(process.env);
  const folder = inPackage(cache, PROXY, 'mcp-proxy');
  if (!existsSync(folder)) await installPackage(PROXY, process.env);
  const {bin} = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as {
    bin: Record<string, string> | string;
  };
  return path.join(folder, typeof bin === 'string' ? bin : (bin['mcp-proxy'] ?? ''));
}

/** One file without TypeScript: what its start costs is no matter of the benchmark, but what it runs as is. */
export function bundledEcho(scratch: string): Promise<string> {
  return bundle(fileURLToPath(new URL('echoServer.ts', import.meta.url)), path.join(scratch, 'echo.mjs'));
}
