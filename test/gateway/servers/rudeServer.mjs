// A server of the 2025 protocol without any SDK, each of whose tools but `plain` answers in a way that no server should.
import {createInterface} from 'node:readline';

const write = text => process.stdout.write(text);
const put = message => write(`${JSON.stringify({jsonrpc: '2.0', ...message})}\n`);
const result = (id, text) => put({id, result: {content: [{type: 'text', text}]}});
const progress = (progressToken, progress) =>
  put({method: 'notifications/progress', params: {progressToken, progress}});

const TOOLS = {
  plain: id => result(id, String(process.pid)),
  textId(id, token) {
    progress(String(token), 1);
    result(String(id), 'a text');
  },
  twice(id) {
    result(id, 'first');
    result(id, 'second');
  },
  others(id) {
    result(id + 1, 'of nobody');
    result(0, 'of nobody');
    result(null, 'of nobody');
    result(id, 'own');
  },
  flood(id, token) {
    for (let count = 1; count <= 5000; count++) progress(token, count);
    result(id, 'flooded');
    progress(token, 5001);
  },
  garbage(id) {
    for (const line of ['debug: at work', '', 'null', '[]', '7', '{', '{"jsonrpc":"2.0"}', `{"id":${id}}`])
      write(`${line}\n`);
    process.stdout.write(Buffer.from([0xff, 0xfe, 0x0d, 0x0a]));
    write(`${JSON.stringify({jsonrpc: '2.0', id, result: {content: [{type: 'text', text: 'clear'}]}})}\r\n`);
  },
  pieces(id) {
    const bytes = Buffer.from(
      `${JSON.stringify({jsonrpc: '2.0', id, result: {content: [{type: 'text', text: 'ä€😀'}]}})}\n`,
    );
    for (const [at, byte] of bytes.entries())
      setTimeout(() => process.stdout.write(Buffer.from([byte])), at / 4);
  },
  large: id => result(id, 'x'.repeat(30 * 1024 ** 2)),
  tooLarge: id => result(id, 'x'.repeat(34 * 1024 ** 2)),
  midLine(id) {
    process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":[`, () => process.exit(3));
  },
  noError: id => put({id, error: 'it failed'}),
  both: id => put({id, error: {code: -32000, message: 'both'}, result: {content: []}}),
};

createInterface({input: process.stdin}).on('line', line => {
  const {id, method, params} = JSON.parse(line);
  if (id === undefined) return;
  if (method === 'initialize')
    put({
      id,
      result: {
        protocolVersion: '2025-11-25',
        capabilities: {tools: {}},
        serverInfo: {name: 'rude', version: '1'},
      },
    });
  else if (method === 'tools/list')
    put({id, result: {tools: Object.keys(TOOLS).map(name => ({name, inputSchema: {type: 'object'}}))}});
  else if (method === 'tools/call') TOOLS[params.name](id, params._meta?.progressToken);
  else put({id, error: {code: -32601, message: 'Method not found'}});
});
