/**
 * Calls of tools over the pipes of a server, beside the SDK's client on the same pipes, which does all else: a call needs a number, an answer, and
 * the progress and cancellation of both, and checking more than that is for whoever asked.
 */
import {
  type JSONRPCMessage,
  type Progress,
  ProtocolError,
  SdkError,
  SdkErrorCode,
} from '@modelcontextprotocol/client';
import type {Era} from '../mcp/surface.ts';
import {isJsonObject} from '../runtime/json.ts';
import type {LegResult} from './leg.ts';

export interface PipedCallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onprogress?: ((progress: Progress) => void) | undefined;
}

/** What each request says in the newer protocol; of the older one nothing. */
export interface PipedCallsProtocol {
  readonly era: Era;
  readonly envelope: Readonly<Record<string, unknown>>;
}

interface Waiting {
  readonly resolve: (result: LegResult) => void;
  readonly reject: (error: unknown) => void;
  readonly onprogress: PipedCallOptions['onprogress'];
  readonly forget: () => void;
}

const METHOD = 'tools/call';

/** The SDK counts from 0; servers are known that keep a number in 32 bits. */
const FIRST_ID = 2 ** 30;
const LAST_ID = 2 ** 31 - 1;

export class PipedCalls {
  private readonly waiting = new Map<number, Waiting>();
  private next = FIRST_ID;
  private isClosed = false;

  constructor(
    private readonly send: (message: JSONRPCMessage) => Promise<void>,
    private readonly protocol: PipedCallsProtocol,
  ) {}

  /** Rejects with the server's `ProtocolError`, or an `SdkError`, as the SDK's client does. */
  call(params: Record<string, unknown>, {signal, onprogress}: PipedCallOptions): Promise<LegResult> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) throw new SdkError(SdkErrorCode.NotConnected, 'Not connected');
      if (signal?.aborted) throw endedBy(signal.reason);
      const id = this.next;
      this.next = id === LAST_ID ? FIRST_ID : id + 1;
      const onAbort = (): void => {
        const why: unknown = signal?.reason;
        this.fail(id, endedBy(why));
        const cancelled = {requestId: id, reason: String(why)};
        this.put('notifications/cancelled', cancelled, {}).catch(() => undefined);
      };
      signal?.addEventListener('abort', onAbort, {once: true});
      const forget = (): void => signal?.removeEventListener('abort', onAbort);
      this.waiting.set(id, {resolve, reject, onprogress, forget});
      const token = onprogress && {progressToken: id};
      this.put(METHOD, params, {...(params['_meta'] as object | undefined), ...token}, id).catch(error =>
        this.fail(id, error),
      );
    });
  }

  /** Whether the message was for a call of ours. */
  receive(message: unknown): boolean {
    if (!isJsonObject(message) || message['jsonrpc'] !== '2.0') return false;
    if (message['method'] === 'notifications/progress') return this.progressed(message['params']);
    const id = numberIn(message['id']);
    if ('method' in message || id < FIRST_ID) return false;
    const waiting = this.take(id);
    if (!waiting) return true;
    try {
      waiting.resolve(this.resultOf(message));
    } catch (error) {
      waiting.reject(error);
    }
    return true;
  }

  close(): void {
    this.isClosed = true;
    const error = new SdkError(SdkErrorCode.ConnectionClosed, 'Connection closed');
    for (const id of [...this.waiting.keys()]) this.fail(id, error);
  }

  private put(method: string, params: Record<string, unknown>, meta: object, id?: number): Promise<void> {
    const {era, envelope} = this.protocol;
    const _meta = era === 'modern' ? {...envelope, ...meta} : meta;
    const said = Object.keys(_meta).length > 0 ? {...params, _meta} : params;
    const message = {jsonrpc: '2.0', ...(id !== undefined && {id}), method, params: said} as const;
    return this.send(message as JSONRPCMessage);
  }

  private progressed(params: unknown): boolean {
    if (!isJsonObject(params)) return false;
    const {progressToken, progress, total, message} = params;
    const id = numberIn(progressToken);
    if (id < FIRST_ID) return false;
    if (typeof progress === 'number')
      this.waiting.get(id)?.onprogress?.({
        progress,
        ...(typeof total === 'number' && {total}),
        ...(typeof message === 'string' && {message}),
      });
    return true;
  }

  private resultOf(message: Readonly<Record<string, unknown>>): LegResult {
    const {result, error} = message;
    if (isJsonObject(error) && Number.isSafeInteger(error['code']) && typeof error['message'] === 'string')
      throw ProtocolError.fromError(error['code'] as number, error['message'], error['data']);
    if (!isJsonObject(result)) throw invalid('not an object');
    const {resultType, ...rest} = result;
    if (this.protocol.era === 'legacy') return rest;
    switch (resultType) {
      case 'complete':
        return rest;
      case 'input_required':
        return asksOf(result);
      default:
        throw invalid(`resultType is ${JSON.stringify(resultType)}`);
    }
  }

  private take(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    waiting?.forget();
    return waiting;
  }

  private fail(id: number, error: unknown): void {
    this.take(id)?.reject(error);
  }
}

/** Also one that comes back as a text, as the SDK's client has it. -1: it is none. */
function numberIn(id: unknown): number {
  if (typeof id === 'number') return id;
  return typeof id === 'string' && /^\d+$/.test(id) ? Number(id) : -1;
}

function asksOf({inputRequests, requestState, _meta}: LegResult): LegResult {
  const hasQuestions = isJsonObject(inputRequests) && Object.keys(inputRequests).length > 0;
  if (!hasQuestions && typeof requestState !== 'string')
    throw invalid('input_required carries neither inputRequests nor requestState');
  return {
    resultType: 'input_required',
    inputRequests: hasQuestions ? inputRequests : {},
    ...(typeof requestState === 'string' && {requestState}),
    ...(isJsonObject(_meta) && {_meta}),
  };
}

function invalid(what: string): SdkError {
  return new SdkError(SdkErrorCode.InvalidResult, `Invalid result for ${METHOD}: ${what}`);
}

function endedBy(reason: unknown): SdkError {
  return reason instanceof SdkError ? reason : new SdkError(SdkErrorCode.RequestTimeout, String(reason));
}
