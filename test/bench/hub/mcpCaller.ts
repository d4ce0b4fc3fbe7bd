/** The client that all subjects are called with: HTTP over connections that stay open, JSON, and nothing that a client need not do. */
import {Agent, request} from 'node:http';

export type Era = 'legacy' | 'modern';

const REVISIONS: Readonly<Record<Era, string>> = {legacy: '2025-11-25', modern: '2026-07-28'};
const CLIENT = {name: 'mcpx-bench', version: '0'};

interface Answer {
  readonly status: number;
  readonly sessionId: string | undefined;
  readonly message: {readonly result?: unknown; readonly error?: unknown} | undefined;
}

export class McpCaller {
  private readonly agent: Agent;
  private sessionId: string | undefined;
  private issued = 0;

  private constructor(
    private readonly url: string,
    private readonly era: Era,
    private readonly headers: Readonly<Record<string, string>>,
    lanes: number,
  ) {
    this.agent = new Agent({keepAlive: true, maxSockets: lanes});
  }

  static async connect(
    url: string,
    era: Era,
    headers: Readonly<Record<string, string>>,
    lanes: number,
  ): Promise<McpCaller> {
    const caller = new McpCaller(url, era, headers, lanes);
    if (era === 'legacy') await caller.initialize();
    return caller;
  }

  /** Rejects unless the tool says `text`. */
  async echo(tool: string, text: string): Promise<void> {
    const {status, message} = await this.ask('tools/call', {name: tool, arguments: {text}}, tool);
    const {content} = (message?.result ?? {}) as {content?: {text?: string}[]};
    if (content?.[0]?.text !== text)
      throw new Error(`${this.url} answered ${status}: ${JSON.stringify(message)}`);
  }

  /** Names of its tools. */
  async tools(): Promise<string[]> {
    const {message} = await this.ask('tools/list', {});
    return ((message?.result ?? {}) as {tools?: {name: string}[]}).tools?.map(({name}) => name) ?? [];
  }

  close(): void {
    this.agent.destroy();
  }

  private async initialize(): Promise<void> {
    const {sessionId, status} = await this.ask('initialize', {
      protocolVersion: REVISIONS.legacy,
      capabilities: {},
      clientInfo: CLIENT,
    });
    if (status !== 200) throw new Error(`${this.url} answered initialize with ${status}`);
    this.sessionId = sessionId;
    await this.post({jsonrpc: '2.0', method: 'notifications/initialized'}, {});
  }

  private ask(method: string, params: Record<string, unknown>, name?: string): Promise<Answer> {
    const id = ++this.issued;
    if (this.era === 'legacy') return this.post({jsonrpc: '2.0', id, method, params}, {});
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': REVISIONS.modern,
      'io.modelcontextprotocol/clientInfo': CLIENT,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const headers = {'mcp-method': method, ...(name !== undefined && {'mcp-name': name})};
    return this.post({jsonrpc: '2.0', id, method, params: {...params, _meta}}, headers);
  }

  private post(message: object, headers: Readonly<Record<string, string>>): Promise<Answer> {
    const body = Buffer.from(JSON.stringify(message));
    return new Promise((resolve, reject) => {
      const sent = request(
        this.url,
        {
          method: 'POST',
          agent: this.agent,
          headers: {
            'content-type': 'application/json',
            'content-length': body.length,
            accept: 'application/json, text/event-stream',
            'mcp-protocol-version': REVISIONS[this.era],
            ...(this.sessionId !== undefined && {'mcp-session-id': this.sessionId}),
            ...this.headers,
            ...headers,
          },
        },
        response => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.once('error', reject).once('end', () => {
            const id = response.headers['mcp-session-id'];
            const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
            resolve({
              status: response.statusCode ?? 0,
              sessionId: typeof id === 'string' ? id : undefined,
              message: messageOf(text, isStream),
            });
          });
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

/** Of a stream the last message: before it there may be notifications. */
function messageOf(text: string, isStream: boolean): Answer['message'] {
  const found = isStream
    ? text
        .split('\n')
        .filter(line => line.startsWith('data:') && line.length > 6)
        .at(-1)
        ?.slice(5)
    : text;
  if (found === undefined || found === '') return undefined;
  try {
    return JSON.parse(found) as Answer['message'];
  } catch {
    return {error: found.slice(0, 200)};
  }
}
