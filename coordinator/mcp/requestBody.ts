/** The body of an MCP request: read up to its limit and parsed, or what has to be answered instead. */
import type {IncomingMessage} from 'node:http';
import {isJsonContentType, ProtocolErrorCode} from '@modelcontextprotocol/server';
import {isTooDeep} from '../bridge/frame.ts';
import type {McpFault} from './answer.ts';

export type RequestBody =
  | {readonly kind: 'json'; readonly value: unknown}
  | ({readonly kind: 'fault'} & McpFault);

export async function readBody(request: IncomingMessage, maxBytes: number): Promise<RequestBody> {
  if (!isJsonContentType(request.headers['content-type']))
    return fault(415, 'the content type must be application/json');
  if (Number(request.headers['content-length']) > maxBytes) return tooLarge(maxBytes);
  const text = await readText(request, maxBytes);
  if (typeof text !== 'string') return text;
  try {
    const value: unknown = JSON.parse(text);
    if (!isTooDeep(text)) return {kind: 'json', value};
  } catch {
    return {...fault(400, 'the body is not JSON'), code: ProtocolErrorCode.ParseError};
  }
  return {...fault(400, 'the body is nested too deep'), code: ProtocolErrorCode.InvalidRequest};
}

async function readText(request: IncomingMessage, maxBytes: number): Promise<string | RequestBody> {
  const chunks: Buffer[] = [];
  let received = 0;
  try {
    // Left open, for the answer has to go over the same socket.
    for await (const chunk of request.iterator({destroyOnReturn: false}) as AsyncIterable<Buffer>) {
      received += chunk.length;
      if (received > maxBytes) return tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch {
    return fault(400, 'the body was cut off');
  }
  const [first] = chunks;
  return (chunks.length === 1 && first ? first : Buffer.concat(chunks)).toString();
}

function tooLarge(maxBytes: number): RequestBody {
  return fault(413, `a body has at most ${maxBytes} bytes`);
}

function fault(status: number, message: string): {kind: 'fault'} & McpFault {
  return {kind: 'fault', status, message};
}
