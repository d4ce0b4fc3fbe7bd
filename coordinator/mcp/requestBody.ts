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

/** By its events, since an iterator over a request costs more than most requests. */
function readText(request: IncomingMessage, maxBytes: number): Promise<string | RequestBody> {
  return new Promise(resolve => {
    const chunks: Buffer[] = [];
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      chunks.push(chunk);
      if (received <= maxBytes) return;
      // Left open, for the answer has to go over the same socket.
      request.removeAllListeners('data').pause();
      resolve(tooLarge(maxBytes));
    });
    request.once('end', () => {
      const [first] = chunks;
      resolve((chunks.length === 1 && first ? first : Buffer.concat(chunks)).toString());
    });
    const cut = (): void => resolve(fault(400, 'the body was cut off'));
    request.once('error', cut).once('close', cut);
    // Its client may have gone while its token was looked at: then nothing is emitted any more.
    if (request.destroyed) cut();
  });
}

function tooLarge(maxBytes: number): RequestBody {
  return fault(413, `a body has at most ${maxBytes} bytes`);
}

function fault(status: number, message: string): {kind: 'fault'} & McpFault {
  return {kind: 'fault', status, message};
}
