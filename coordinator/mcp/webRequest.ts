/** Node's request as the SDK wants it: of its headers those that MCP knows. The body, which has been read, goes beside it. */
import type {IncomingMessage} from 'node:http';

const KNOWN: ReadonlySet<string> = new Set(['accept', 'content-type', 'last-event-id']);

export function webRequest(request: IncomingMessage, signal?: AbortSignal): Request {
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(request.headers))
    if (typeof value === 'string' && (KNOWN.has(name) || name.startsWith('mcp-')))
      headers.push([name, value]);
  return new Request('http://hub/mcp', {
    method: request.method ?? 'GET',
    headers,
    ...(signal && {signal}),
  });
}

export function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
