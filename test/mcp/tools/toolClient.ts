/** A plain MCP client of a hub, over HTTP, with short words for calls of tools. */
import assert from 'node:assert/strict';
import {Client} from '@modelcontextprotocol/sdk/client/index.js';
import {StreamableHTTPClientTransport} from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type {CallToolResult, Progress} from '@modelcontextprotocol/sdk/types.js';

/** What tests read of an answer: any JSON object. */
// biome-ignore lint/suspicious/noExplicitAny: each test knows the tool's answer, which the client checks against its schema
export type Answer = any;

export class ToolClient {
  private constructor(readonly client: Client) {}

  static async open({url, token}: {url: string; token: string}): Promise<ToolClient> {
    const client = new Client({name: 'test', version: '0'});
    const address = new URL('/mcp', url.replace(/^ws/, 'http'));
    const requestInit = {headers: {authorization: `Bearer ${token}`}};
    await client.connect(new StreamableHTTPClientTransport(address, {requestInit}));
    // So that it knows the schemas of the answers and checks them.
    await client.listTools();
    return new ToolClient(client);
  }

  /** The structured answer of a tool that must not fail. */
  async call(name: string, args: object = {}, options: CallOptions = {}): Promise<Answer> {
    const result = await this.result(name, args, options);
    assert.ok(!result.isError, `${name}: ${textOf(result)}`);
    assert.ok(textOf(result).length > 0, `${name} says something`);
    return result.structuredContent;
  }

  /** What a tool says that must fail. */
  async fails(name: string, args: object = {}): Promise<string> {
    const result = await this.result(name, args, {});
    assert.ok(result.isError, `${name} is expected to fail, and answers ${JSON.stringify(result)}`);
    return textOf(result);
  }

  async result(name: string, args: object, {signal, onProgress}: CallOptions): Promise<CallToolResult> {
    const options = {timeout: 120_000, ...(signal && {signal}), ...(onProgress && {onprogress: onProgress})};
    const params = {name, arguments: {...args}};
    return (await this.client.callTool(params, undefined, options)) as CallToolResult;
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export function textOf({content}: CallToolResult): string {
  return content.map(block => (block.type === 'text' ? block.text : '')).join('');
}
