/** Requests over one WebSocket: MCPX with a coordinator, and the older SDK alone with a server that does nothing else. */
import path from 'node:path';
import {Client} from '@modelcontextprotocol/sdk/client/index.js';
import type {Transport} from '@modelcontextprotocol/sdk/shared/transport.js';
import type {JSONRPCMessage} from '@modelcontextprotocol/sdk/types.js';
import {WebSocket} from 'ws';
import {BenchProcess} from '../processes.ts';
import {startCoordinator} from './hubWay.ts';
import {firstLine, type Ground} from './subjects.ts';

export interface SocketSubject {
  request(): Promise<unknown>;
  stop(): Promise<void>;
}

export async function mcpxOverSocket(ground: Ground & {readonly program: string}): Promise<SocketSubject> {
  const {client, stop} = await startCoordinator(ground, ground.program, 'sockets');
  return {request: () => client.request('mcpx.health.check', {}), stop};
}

export async function sdkOverSocket({scratch, echo}: Ground): Promise<SocketSubject> {
  const server = BenchProcess.start(process.execPath, [echo, 'ws'], {logFile: path.join(scratch, 'ws.log')});
  const socket = new WebSocket(await firstLine(server), {perMessageDeflate: false});
  const client = new Client({name: 'bench', version: '0'});
  await client.connect(transportOver(socket));
  const params = {name: 'echo', arguments: {text: 'a text of thirty-two characters!'}};
  return {
    request: () => client.callTool(params),
    async stop() {
      await client.close();
      await server.stop();
    },
  };
}

/** Requests a second, `lanes` of them at once. */
export async function rateOf({request}: SocketSubject, lanes: number, requests: number): Promise<number> {
  let left = requests;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await request();
  };
  const began = performance.now();
  await Promise.all(Array.from({length: lanes}, lane));
  return (requests / (performance.now() - began)) * 1000;
}

function transportOver(socket: WebSocket): Transport {
  const transport: Transport = {
    start: () =>
      new Promise((resolve, reject) => void socket.once('open', () => resolve()).once('error', reject)),
    send: async message => socket.send(JSON.stringify(message)),
    close: async () => socket.close(),
  };
  socket.on('message', data => transport.onmessage?.(JSON.parse(String(data)) as JSONRPCMessage));
  socket.on('close', () => transport.onclose?.());
  return transport;
}
