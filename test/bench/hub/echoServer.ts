/**
 * The server that all subjects of the benchmark call: tools that say what they are told, as lean as the SDK allows. `echoServer.ts stdio|http|ws
 * TOOLS`; over a network its address is the first line of its output.
 */
import {randomUUID} from 'node:crypto';
import {once} from 'node:events';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {NodeStreamableHTTPServerTransport, toNodeHandler} from '@modelcontextprotocol/node';
import {Server as LegacyServer} from '@modelcontextprotocol/sdk/server/index.js';
import type {Transport} from '@modelcontextprotocol/sdk/shared/transport.js';
import {CallToolRequestSchema, type JSONRPCMessage} from '@modelcontextprotocol/sdk/types.js';
import {createMcpHandler, Server} from '@modelcontextprotocol/server';
import {serveStdio} from '@modelcontextprotocol/server/stdio';
import {WebSocketServer} from 'ws';

const [transport = 'stdio', count = '1'] = process.argv.slice(2);
const tools = Array.from({length: Number(count)}, (_, index) => ({
  name: index === 0 ? 'echo' : `echo${index}`,
  description: `Says what it is told, as number ${index} of those that do.`,
  inputSchema: {type: 'object' as const, properties: {text: {type: 'string'}}, required: ['text']},
}));

function echoServer(): Server {
  const server = new Server({name: 'echo', version: '1.0.0'}, {capabilities: {tools: {}}});
  server.setRequestHandler('tools/list', () => ({tools}));
  server.setRequestHandler('tools/call', ({params}) => ({
    content: [{type: 'text' as const, text: String(params.arguments?.['text'])}],
  }));
  return server;
}

if (transport === 'stdio') serveStdio(echoServer);
else if (transport === 'http') console.log(await serveHttp());
else console.log(await serveSockets());

async function serveHttp(): Promise<string> {
  const modern = toNodeHandler(createMcpHandler(echoServer, {legacy: 'reject'}));
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const server = createServer((request, response) => {
    const id = request.headers['mcp-session-id'];
    const session = typeof id === 'string' ? sessions.get(id) : undefined;
    if (session) void session.handleRequest(request, response);
    else if (request.headers['mcp-method'] !== undefined) void modern(request, response);
    else {
      const opened: NodeStreamableHTTPServerTransport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        enableJsonResponse: true,
        onsessioninitialized: name => void sessions.set(name, opened),
      });
      void echoServer()
        .connect(opened)
        .then(() => opened.handleRequest(request, response));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

/** The older SDK, whose protocol the links of MCPX stand on too. */
async function serveSockets(): Promise<string> {
  const sockets = new WebSocketServer({port: 0, host: '127.0.0.1', perMessageDeflate: false});
  sockets.on('connection', socket => {
    const server = new LegacyServer({name: 'echo', version: '1.0.0'}, {capabilities: {tools: {}}});
    server.setRequestHandler(CallToolRequestSchema, ({params}) => ({
      content: [{type: 'text', text: String(params.arguments?.['text'])}],
    }));
    const over: Transport = {
      start: async () => undefined,
      send: async message => socket.send(JSON.stringify(message)),
      close: async () => socket.close(),
    };
    socket.on('message', data => over.onmessage?.(JSON.parse(String(data)) as JSONRPCMessage));
    socket.on('close', () => over.onclose?.());
    void server.connect(over);
  });
  await once(sockets, 'listening');
  return `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`;
}
