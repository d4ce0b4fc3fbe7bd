/** The servers of the conformance scenarios over Streamable HTTP on loopback: sessions for the older era, one request at a time for the newer. */
import {randomUUID} from 'node:crypto';
import {once} from 'node:events';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {
  localhostHostValidation,
  NodeStreamableHTTPServerTransport,
  toNodeHandler,
} from '@modelcontextprotocol/node';
import {StreamableHTTPServerTransport} from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {createMcpHandler, isLegacyRequest, type McpServer} from '@modelcontextprotocol/server';
import {legacyServer} from './legacyServer.ts';
import {modernServer} from './modernServer.ts';

type Handle = (request: IncomingMessage, response: ServerResponse, body: unknown) => Promise<void>;

interface SessionTransport {
  readonly sessionId?: string | undefined;
  handleRequest(request: IncomingMessage, response: ServerResponse, body?: unknown): Promise<void>;
}

interface SessionHooks {
  readonly sessionIdGenerator: () => string;
  readonly onsessioninitialized: (id: string) => void;
}

export interface Served {
  readonly url: string;
  close(): void;
}

export async function serveHttp(era: 'both' | 'legacy'): Promise<Served> {
  const handle = era === 'both' ? bothEras() : sessions(openLegacy);
  const isLocal = localhostHostValidation();
  const server = createServer((request, response) => {
    if (!isLocal(request, response)) return;
    bodyOf(request)
      .then(body => handle(request, response, body))
      .catch((error: unknown) => {
        console.error(error);
        response.destroy();
      });
  });
  return {
    url: `http://127.0.0.1:${await listen(server)}/mcp`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch {
    // Whoever handles it says what is wrong with it.
    return text;
  }
}

function bothEras(): Handle {
  const announce = (change: 'tools' | 'prompts', server?: McpServer): void => {
    if (change === 'tools') modern.notify.toolsChanged();
    else modern.notify.promptsChanged();
    if (server?.isConnected())
      void (change === 'tools' ? server.sendToolListChanged() : server.sendPromptListChanged());
  };
  const modern = createMcpHandler(() => modernServer(change => announce(change)), {legacy: 'reject'});
  const modernHandle = toNodeHandler(modern);
  const legacy = sessions(async hooks => {
    const transport = new NodeStreamableHTTPServerTransport(hooks);
    await modernServer(announce).connect(transport);
    return transport;
  });
  return async (request, response, body) => {
    const headers = Object.entries(request.headers).map(
      ([name, value]) => [name, String(value)] as [string, string],
    );
    const shape = new Request('http://127.0.0.1/mcp', {
      method: request.method ?? 'GET',
      headers,
      ...(request.method === 'POST' && {body: JSON.stringify(body)}),
    });
    if (await isLegacyRequest(shape, body)) await legacy(request, response, body);
    else await modernHandle(request, response, body);
  };
}

async function openLegacy(hooks: SessionHooks): Promise<SessionTransport> {
  const transport = new StreamableHTTPServerTransport(hooks);
  await legacyServer().connect(transport);
  return transport;
}

function sessions(open: (hooks: SessionHooks) => Promise<SessionTransport>): Handle {
  const known = new Map<string, SessionTransport>();
  return async (request, response, body) => {
    const id = request.headers['mcp-session-id'];
    const session = typeof id === 'string' ? known.get(id) : undefined;
    if (id !== undefined && !session) {
      response.writeHead(404).end();
      return;
    }
    const transport =
      session ??
      (await open({
        sessionIdGenerator: () => randomUUID(),
        onsessioninitialized: opened => void known.set(opened, transport),
      }));
    await transport.handleRequest(request, response, body);
  };
}
