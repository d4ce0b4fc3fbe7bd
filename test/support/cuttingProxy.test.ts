/** The proxy of fault tests does to connections what it says. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {type AddressInfo, connect, createServer, type Server, type Socket} from 'node:net';
import {setTimeout as pause} from 'node:timers/promises';
import {CuttingProxy} from './cuttingProxy.ts';
import {found} from './waiting.ts';

const QUIET_MS = 100;
const PATIENCE_MS = 5000;

describe('a cutting proxy', () => {
  let echo: Server;
  let proxy: CuttingProxy;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    echo = createServer(socket => {
      sockets.push(socket.on('error', () => undefined));
      socket.pipe(socket);
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await CuttingProxy.open(() => (echo.address() as AddressInfo).port);
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await proxy.close();
    echo.close();
  });

  async function client(): Promise<{socket: Socket; heard: () => string}> {
    const socket = connect({port: proxy.port, host: '127.0.0.1'}).on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    let text = '';
    socket.on('data', chunk => {
      text += chunk.toString();
    });
    return {socket, heard: () => text};
  }

  const hears = (heard: () => string, text: string): Promise<boolean> =>
    found(() => heard() === text || undefined, PATIENCE_MS, `${text}, having ${heard()}`);

  it('lets no more through than it is as narrow as, all of it in its order', async () => {
    const {socket, heard} = await client();
    proxy.narrow(100_000);
    const text = Array.from({length: 3000}, (_, at) => String(at).padStart(9)).join(' ');
    const started = performance.now();
    socket.write(text);
    await hears(heard, text);
    assert.ok(performance.now() - started > (text.length / 100_000) * 1000 * 0.9);
  });

  it('holds what is sent during a cut, tells nobody, and lets it through afterwards in its order', async () => {
    const {socket, heard} = await client();
    socket.write('a');
    await hears(heard, 'a');
    proxy.cut();
    socket.write('b');
    const late = await client();
    late.socket.write('x');
    await pause(QUIET_MS);
    assert.equal(heard(), 'a');
    assert.equal(late.heard(), '');
    assert.equal(socket.closed, false);
    proxy.heal();
    socket.write('c');
    await hears(heard, 'abc');
    await hears(late.heard, 'x');
  });

  it('cuts web sockets alone where that is asked for', async () => {
    const web = await client();
    web.socket.write('GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n');
    const plain = await client();
    plain.socket.write('GET / HTTP/1.1\r\n\r\n');
    await found(() => (web.heard() && plain.heard() ? true : undefined), PATIENCE_MS, 'both echoes');
    const before = web.heard();
    proxy.cut('webSockets');
    web.socket.write('1');
    plain.socket.write('2');
    await hears(plain.heard, 'GET / HTTP/1.1\r\n\r\n2');
    await pause(QUIET_MS);
    assert.equal(web.heard(), before);
    proxy.heal();
    await hears(web.heard, `${before}1`);
  });

  it('delays everything in its order, also when the delay ends', async () => {
    const {socket, heard} = await client();
    proxy.delay(QUIET_MS);
    const started = performance.now();
    socket.write('1');
    await pause(QUIET_MS / 4);
    proxy.delay(0);
    socket.write('2');
    await hears(heard, '12');
    assert.ok(performance.now() - started >= QUIET_MS, 'it came too early');
  });

  it('ends every connection at a reset and takes new ones', async () => {
    const {socket} = await client();
    socket.write('a');
    await once(socket, 'data');
    proxy.reset();
    if (!socket.closed) await new Promise(resolve => socket.once('close', resolve));
    const next = await client();
    next.socket.write('b');
    await hears(next.heard, 'b');
    assert.equal(proxy.connections, 1);
  });
});
