/**
 * A server of the 2025 protocol, by the first SDK, over stdio or (with `--http`) Streamable HTTP with sessions. Its state is that of one process or session.
 * Flags: --label TEXT, --hang, --die, --probe-ends, --stubborn, --child, --http, --stateless.
 */
import {spawn} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import {createServer} from 'node:http';
import {completable} from '@modelcontextprotocol/sdk/server/completable.js';
import {McpServer, ResourceTemplate} from '@modelcontextprotocol/sdk/server/mcp.js';
import {StdioServerTransport} from '@modelcontextprotocol/sdk/server/stdio.js';
import {StreamableHTTPServerTransport} from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {SubscribeRequestSchema, UnsubscribeRequestSchema} from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod';

const flags = new Set(process.argv.slice(2));
const label = process.argv[process.argv.indexOf('--label') + 1] ?? '';
const text = value => ({
  content: [{type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value)}],
});

function build() {
  const server = new McpServer(
    {name: 'legacy', version: '1'},
    {capabilities: {logging: {}, resources: {subscribe: true, listChanged: true}}},
  );
  let count = 0;
  let added = 0;
  const seen = [];
  const watched = new Set();
  server.registerTool('who', {annotations: {readOnlyHint: true}}, () => text({pid: process.pid, label}));
  server.registerTool('count', {}, () => text({pid: process.pid, count: ++count}));
  server.registerTool('echo', {inputSchema: {text: z.string()}}, ({text: said}) => text(said));
  server.registerTool('env', {inputSchema: {name: z.string()}}, ({name}) =>
    text(process.env[name] ?? 'absent'),
  );
  server.registerTool('meta', {}, extra => text(extra._meta ?? {}));
  server.registerTool('crash', {}, () => process.exit(7));
  server.registerTool('fail', {}, () => {
    throw new Error('it did not work');
  });
  server.registerTool('log', {}, async extra => {
    await extra.sendNotification({
      method: 'notifications/message',
      params: {level: 'info', data: `from ${label}`},
    });
    return text('logged');
  });
  server.registerTool('slow', {}, async extra => {
    const {progressToken} = extra._meta ?? {};
    for (let progress = 1; !extra.signal.aborted; progress++) {
      if (progressToken !== undefined)
        await extra.sendNotification({
          method: 'notifications/progress',
          params: {progressToken, progress, message: 'going on'},
        });
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    seen.push('cancelled');
    return text('cancelled');
  });
  server.registerTool(
    'silent',
    {},
    extra =>
      new Promise(resolve => {
        extra.signal.addEventListener('abort', () => {
          seen.push('cancelled');
          resolve(text('cancelled'));
        });
      }),
  );
  server.registerTool('seen', {}, () => text(seen));
  server.registerTool('ask', {inputSchema: {question: z.string()}}, async ({question}) => {
    const requestedSchema = {type: 'object', properties: {answer: {type: 'string'}}, required: ['answer']};
    const first = await server.server.elicitInput({message: question, requestedSchema});
    return text(first);
  });
  server.registerTool('askTwice', {}, async () => {
    const requestedSchema = {type: 'object', properties: {answer: {type: 'string'}}};
    const first = await server.server.elicitInput({message: 'first', requestedSchema});
    const second = await server.server.elicitInput({message: 'second', requestedSchema});
    return text([first, second]);
  });
  server.registerTool('sample', {}, async () =>
    text(
      await server.server.createMessage({
        messages: [{role: 'user', content: {type: 'text', text: 'say it'}}],
        maxTokens: 5,
      }),
    ),
  );
  server.registerTool('roots', {}, async () => text(await server.server.listRoots()));
  server.registerTool('grow', {}, () => {
    server.registerTool(`grown${++added}`, {}, () => text('grown'));
    return text('ok');
  });
  server.registerTool('touch', {inputSchema: {uri: z.string()}}, async ({uri}) => {
    if (watched.has(uri)) await server.server.sendResourceUpdated({uri});
    return text('touched');
  });
  server.registerTool('link', {}, () => ({
    content: [{type: 'resource_link', uri: `hidden://${label}/1`, name: 'hidden'}],
  }));
  server.registerResource('note', 'note://shared/1', {}, uri => ({
    contents: [{uri: uri.href, text: `note of ${label}`}],
  }));
  server.registerResource('own', `own://${label}/1`, {}, uri => ({
    contents: [{uri: uri.href, text: `own of ${label}`}],
  }));
  server.registerResource(
    'hidden',
    new ResourceTemplate(`hidden://${label}/{id}`, {
      list: undefined,
      complete: {id: value => [`${value}-done`]},
    }),
    {},
    uri => ({contents: [{uri: uri.href, text: `hidden of ${label}`}]}),
  );
  server.registerPrompt(
    'greet',
    {argsSchema: {name: completable(z.string(), value => [`${value}!`])}},
    ({name}) => ({
      messages: [{role: 'user', content: {type: 'text', text: `hello ${name} from ${label}`}}],
    }),
  );
  server.server.setRequestHandler(SubscribeRequestSchema, ({params}) => {
    watched.add(params.uri);
    return {};
  });
  server.server.setRequestHandler(UnsubscribeRequestSchema, ({params}) => {
    watched.delete(params.uri);
    return {};
  });
  return server;
}

if (flags.has('--die')) {
  process.stderr.write('it cannot begin\n');
  process.exit(3);
}
if (flags.has('--stubborn')) {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => undefined);
  setInterval(() => undefined, 1000);
}
if (flags.has('--child')) {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {stdio: 'ignore'});
  process.stderr.write(`child ${child.pid}\n`);
}
if (flags.has('--hang')) {
  process.stdin.resume();
  setInterval(() => undefined, 1000);
} else if (flags.has('--http')) await serveHttp();
else {
  if (flags.has('--noise')) process.stdout.write('Welcome to the server!\n');
  if (flags.has('--probe-ends'))
    process.stdin.on('data', chunk => chunk.includes('server/discover') && process.exit(9));
  await build().connect(new StdioServerTransport());
}

/** Prints its port on a line of its own. A DELETE of /sessions makes it forget them all, GET tells how many there are. */
async function serveHttp() {
  const sessions = new Map();
  const http = createServer(async (request, response) => {
    if (request.url === '/sessions') {
      const had = sessions.size;
      if (request.method === 'DELETE') sessions.clear();
      response.end(String(had));
      return;
    }
    const id = request.headers['mcp-session-id'];
    let transport = sessions.get(id);
    if (!transport && id !== undefined) {
      response
        .writeHead(404)
        .end(JSON.stringify({jsonrpc: '2.0', error: {code: -32001, message: 'Session not found'}, id: null}));
      return;
    }
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: flags.has('--stateless') ? undefined : () => randomUUID(),
        onsessioninitialized: made => sessions.set(made, transport),
        onsessionclosed: gone => sessions.delete(gone),
      });
      await build().connect(transport);
    }
    await transport.handleRequest(request, response);
  });
  http.listen(0, '127.0.0.1', () => process.stdout.write(`${http.address().port}\n`));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}
