import assert from 'node:assert/strict';
import {once} from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import {CLOSE_CODES} from '../../coordinator/bridge/closeCodes.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type Random, seededRandom} from '../../coordinator/runtime/random.ts';
import {type JsonFrame, RawSocket} from '../hub/rawSocket.ts';
import {type HubFixture, hubFixture} from '../hub/support.ts';
import {FrameFuzzer, type FuzzFrame} from './frames.ts';

const FRAMES = Number(process.env['MCPX_FUZZ_FRAMES'] ?? 100_000);
const PER_CONNECTION = 2000;
const WINDOW = 200;

describe('a hub among malformed frames', function () {
  this.timeout(120_000);
  const seed = Number(process.env['MCPX_SEED'] ?? systemClock.wallNow() % 2 ** 31);
  let fixture: HubFixture;

  before(async () => {
    const settings = {maxFaults: 1_000_000, maxMessagesPerSecond: 1_000_000, maxFrameBytes: 64 * 1024};
    fixture = await hubFixture({settings}, hub => {
      hub.handle('mcpx.memory.get', () => Promise.resolve({version: 4, revision: 2}));
      hub.handle('mcpx.memory.put', () => Promise.resolve({version: 1, revision: 2}));
    });
  });
  after(() => fixture.close());

  async function stillServes(): Promise<void> {
    const request = http.get({host: '127.0.0.1', port: fixture.port, path: '/health', agent: false});
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 200, `seed ${seed}`);
    const client = fixture.connection('client');
    const answer = await client.request('mcpx.memory.get', {sessionId: 's', key: 'k'}, {timeoutMs: 5000});
    assert.deepEqual(answer, {version: 4, revision: 2});
    client.dispose();
  }

  it(`answers each of ${FRAMES} with a typed error and serves on (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const fuzzer = new FrameFuzzer(random);
    const tally = new Map<string, number>();
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const started = systemClock.now();
    for (let sent = 0; sent < FRAMES; sent += PER_CONNECTION) {
      const raw = await RawSocket.greeted(fixture.url);
      for (let part = 0; part < PER_CONNECTION; part += WINDOW) {
        const frames = Array.from({length: WINDOW}, () => fuzzer.next());
        await exchange(raw, frames, tally, `seed ${seed}, frame ${sent + part}`);
      }
      raw.socket.terminate();
    }
    await stillServes();
    const grownMiB = (process.memoryUsage().heapUsed - before) / 1024 ** 2;
    assert.ok(grownMiB < 200, `seed ${seed}: the heap grew by ${grownMiB.toFixed(0)} MiB`);
    assert.ok(systemClock.now() - started < 60_000, `seed ${seed}: too slow`);
    for (const code of ['-32700', '-32600', '-32601', '-32602', '5010'])
      assert.ok(
        (tally.get(code) ?? 0) > 0,
        `seed ${seed}: no error ${code} among ${JSON.stringify([...tally])}`,
      );
  });

  it(`survives bytes that are no WebSocket frames, and handshakes that end anywhere (seed ${seed})`, async () => {
    const random = seededRandom(seed + 1);
    for (let round = 0; round < 200; round++) await broken(fixture.port, random);
    await stillServes();
  });

  it('closes oversized frames with 1009 and keeps the other connections', async () => {
    const other = await RawSocket.greeted(fixture.url);
    for (let round = 0; round < 20; round++) {
      const raw = await RawSocket.open(fixture.url);
      raw.send('x'.repeat(64 * 1024 + 1 + round));
      assert.equal((await raw.closed).code, CLOSE_CODES.messageTooBig);
    }
    assert.deepEqual((await other.ask('alive', 'ping')).result, {});
    other.socket.terminate();
    await stillServes();
  });
});

/** Sends all, then compares what came back until a last ping was answered. */
async function exchange(
  raw: RawSocket,
  frames: readonly FuzzFrame[],
  tally: Map<string, number>,
  where: string,
): Promise<void> {
  raw.frames.length = 0;
  for (const frame of frames) raw.send(frame.text);
  const awaited = frames.filter(frame => frame.expect.kind !== 'silence').length;
  await raw.count(awaited);
  assert.equal(raw.frames.length, awaited, `${where}: answers`);
  const byId = new Map<string | number, JsonFrame>();
  const unnamed = new Map<number, number>();
  for (const frame of raw.frames) {
    const code = frame.error?.code;
    if (code !== undefined) tally.set(String(code), (tally.get(String(code)) ?? 0) + 1);
    if (frame.id !== undefined) byId.set(frame.id, frame);
    else if (code !== undefined) unnamed.set(code, (unnamed.get(code) ?? 0) + 1);
  }
  for (const {expect, text} of frames) {
    if (expect.kind === 'silence') continue;
    if (expect.kind === 'answer' || expect.id !== undefined) {
      const answer = expect.id === undefined ? undefined : byId.get(expect.id);
      assert.ok(answer, `${where}: no answer to ${text.slice(0, 200)}`);
      if (expect.kind === 'error')
        assert.equal(answer.error?.code, expect.code, `${where}: ${text.slice(0, 200)}`);
      assert.notEqual(answer.error?.code, -32603, `${where}: internal error for ${text.slice(0, 200)}`);
    } else {
      unnamed.set(expect.code, (unnamed.get(expect.code) ?? 0) - 1);
    }
  }
  for (const [code, balance] of unnamed) assert.equal(balance, 0, `${where}: errors ${code} without an id`);
}

/** A handshake cut at a random place, or followed by random bytes. */
async function broken(port: number, random: Random): Promise<void> {
  const handshake = [
    'GET /mcpx HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: mcpx.v1',
    'Authorization: Bearer client',
    '\r\n',
  ].join('\r\n');
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (random.next() < 0.3) {
    socket.write(handshake.slice(0, Math.floor(random.next() * handshake.length)));
    socket.destroy();
    return;
  }
  socket.write(handshake);
  await once(socket, 'data');
  socket.write(Buffer.from(random.hex(1 + Math.floor(random.next() * 400)), 'hex'));
  socket.destroySoon();
  await once(socket, 'close');
}
