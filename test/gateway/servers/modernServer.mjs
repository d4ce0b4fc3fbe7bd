/** A server of 2026-07-28 (and, to those who ask so, of 2025), by the second SDK, over stdio or (with `--http`) HTTP. Flags: --label TEXT, --http. */
import {createServer} from 'node:http';
import {
  acceptedContent,
  createMcpHandler,
  InMemoryServerEventBus,
  inputRequired,
  McpServer,
} from '@modelcontextprotocol/server';
import {serveStdio} from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';

const label = process.argv[process.argv.indexOf('--label') + 1] ?? '';
const text = value => ({
  content: [{type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value)}],
});
const bus = new InMemoryServerEventBus();
let reads = 0;
let calls = 0;

function build() {
  const server = new McpServer(
    {name: 'modern', version: '1'},
    {
      capabilities: {
        tools: {listChanged: true},
        resources: {subscribe: true, listChanged: true},
        logging: {},
      },
    },
  );
  server.registerTool('who', {annotations: {readOnlyHint: true}}, () =>
    text({pid: process.pid, label, calls: ++calls}),
  );
  server.registerTool('echo', {inputSchema: z.object({text: z.string()})}, ({text: said}) => text(said));
  server.registerTool('meta', {}, ctx =>
    text({envelope: ctx.mcpReq.envelope ?? null, meta: ctx.mcpReq._meta ?? null}),
  );
  server.registerTool('log', {}, async ctx => {
    await ctx.mcpReq.log('info', `from ${label}`);
    return text('logged');
  });
  server.registerTool('ask', {inputSchema: z.object({question: z.string()})}, ({question}, ctx) => {
    const requestedSchema = {type: 'object', properties: {answer: {type: 'string'}}};
    const answers = ctx.mcpReq.inputResponses;
    if (!answers?.one)
      return inputRequired({
        inputRequests: {one: inputRequired.elicit({message: question, requestedSchema})},
        requestState: `state of ${label}`,
      });
    return text({answer: acceptedContent(answers, 'one'), state: ctx.mcpReq.requestState()});
  });
  server.registerTool('slow', {}, async ctx => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (let progress = 1; !ctx.mcpReq.signal.aborted; progress++) {
      if (progressToken !== undefined)
        await ctx.mcpReq.notify({method: 'notifications/progress', params: {progressToken, progress}});
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    return text('cancelled');
  });
  server.registerTool('touch', {inputSchema: z.object({uri: z.string()})}, ({uri}) => {
    bus.publish({kind: 'resource_updated', uri});
    return text('touched');
  });
  for (const scope of ['public', 'private', 'none'])
    server.registerResource(
      scope,
      `kept://${label}/${scope}`,
      scope === 'none' ? {} : {cacheHint: {ttlMs: 60_000, cacheScope: scope}},
      uri => ({contents: [{uri: uri.href, text: String(++reads)}]}),
    );
  return server;
}

if (process.argv.includes('--http')) {
  const handler = createMcpHandler(build, {bus});
  const http = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const answer = await handler.fetch(
      new Request(`http://127.0.0.1${request.url}`, {
        method: request.method,
        headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        body,
        signal: gone.signal,
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) for await (const chunk of answer.body) response.write(chunk);
    response.end();
  });
  http.listen(0, '127.0.0.1', () => process.stdout.write(`${http.address().port}\n`));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
} else serveStdio(build, {bus});
