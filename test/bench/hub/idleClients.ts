/** As many connections as are asked for, which then say nothing: `idleClients.ts URL COUNT plain|agreed`, the token in MCPX_TOKEN. Says `ready` when all are there. */
import {once} from 'node:events';
import {WebSocket} from 'ws';

const [url = '', count = '0', state = 'plain'] = process.argv.slice(2);
const AT_ONCE = 64;
const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {name: 'idle', version: '0'}},
});

let left = Number(count);
async function lane(): Promise<void> {
  while (left-- > 0) {
    const socket = new WebSocket(url, ['mcp'], {
      perMessageDeflate: false,
      headers: {authorization: `Bearer ${process.env['MCPX_TOKEN']}`},
    });
    await once(socket, 'open');
    if (state === 'agreed') {
      socket.send(INITIALIZE);
      await once(socket, 'message');
      socket.send(JSON.stringify({jsonrpc: '2.0', method: 'notifications/initialized'}));
    }
    socket.on('close', code => console.error(`closed with ${code}`));
  }
}
await Promise.all(Array.from({length: AT_ONCE}, lane));
console.log('ready');
