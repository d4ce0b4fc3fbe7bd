/** A surface for tests, which does what its tools are called, and says who listens, what runs and whom it has let go. */
import {setTimeout as pause} from 'node:timers/promises';
import {
  acceptedContent,
  type CallToolRequest,
  type CallToolResult,
  type CompleteRequest,
  type CompleteResult,
  type GetPromptRequest,
  type GetPromptResult,
  type InputRequiredResult,
  inputRequired,
  type Prompt,
  type ReadResourceResult,
  type Resource,
  type ResourceTemplateType,
  type Tool,
} from '@modelcontextprotocol/server';
import type {Surface, SurfaceCall, SurfaceCaller, SurfaceChange} from '../../coordinator/mcp/surface.ts';
import {type Deferred, deferred} from '../../coordinator/runtime/deferred.ts';
import {type Disposable, toDisposable} from '../../coordinator/runtime/disposable.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';

const INPUT = {type: 'object' as const, properties: {text: {type: 'string'}}};

const TOOLS: readonly Tool[] = [
  'echo',
  'who',
  'wait',
  'count',
  'flood',
  'ask',
  'askNow',
  'log',
  'fail',
  'broken',
  'give',
].map(name => ({name, description: `${name}s`, inputSchema: INPUT}));

const QUESTION = {
  mode: 'form' as const,
  message: 'which colour?',
  requestedSchema: {type: 'object' as const, properties: {colour: {type: 'string' as const}}},
};

export class TestSurface implements Surface {
  readonly released: string[] = [];
  /** Names of the tools that were called. */
  readonly calls: string[] = [];
  /** Of the tool `wait`, by its text: what a test may end. */
  readonly waiting = new Map<string, Deferred<void>>();
  readonly cancelled: string[] = [];
  readonly subscribed = new Map<string, number>();
  extraTools: readonly Tool[] = [];
  private readonly changes = new Emitter<SurfaceChange>();
  private readonly arrivals = new Emitter<string>();
  private listeners = 0;

  get listening(): number {
    return this.listeners;
  }

  change(change: SurfaceChange): void {
    this.changes.emit(change);
  }

  /** Resolves when the tool `wait` is at work on `text`. */
  async arrived(text: string): Promise<void> {
    if (this.waiting.has(text)) return;
    const there = deferred<void>();
    const listening = this.arrivals.event(arrived => arrived === text && there.resolve());
    await there.promise;
    listening.dispose();
  }

  tools(_caller: SurfaceCaller): Promise<readonly Tool[]> {
    return Promise.resolve(this.extraTools.length > 0 ? [...TOOLS, ...this.extraTools] : TOOLS);
  }

  async callTool(
    {name, arguments: given}: CallToolRequest['params'],
    call: SurfaceCall,
  ): Promise<CallToolResult | InputRequiredResult | undefined> {
    const said = String(given?.['text'] ?? '');
    this.calls.push(name);
    switch (name) {
      case 'echo':
      case 'echo2':
        return text(said);
      case 'who':
        return text(
          JSON.stringify({id: call.principal.id, era: call.era, key: call.clientKey, level: call.logLevel}),
        );
      case 'wait':
        return this.wait(said, call);
      case 'count':
        for (let progress = 1; progress <= 3; progress++) call.progress({progress, total: 3, message: said});
        return text('counted');
      case 'flood':
        return this.flood(call);
      case 'ask':
        return this.ask(call);
      case 'askNow':
        return text(JSON.stringify((await call.request?.('elicitation/create', QUESTION)) ?? 'no way'));
      case 'log':
        call.log('info', {said}, 'test');
        return text('logged');
      case 'fail':
        return {...text('it failed'), isError: true};
      case 'give':
        return JSON.parse(said) as CallToolResult;
      case 'broken':
        throw new Error('a secret of the inside');
      default:
        return undefined;
    }
  }

  resources(): Promise<readonly Resource[]> {
    return Promise.resolve([{uri: 'test://one', name: 'one'}]);
  }

  resourceTemplates(): Promise<readonly ResourceTemplateType[]> {
    return Promise.resolve([{uriTemplate: 'test://{name}', name: 'any'}]);
  }

  readResource(uri: string): Promise<ReadResourceResult | undefined> {
    return Promise.resolve(uri === 'test://one' ? {contents: [{uri, text: 'the one'}]} : undefined);
  }

  subscribe(uri: string): Promise<Disposable | undefined> {
    if (uri !== 'test://one') return Promise.resolve(undefined);
    this.count(uri, 1);
    return Promise.resolve(toDisposable(() => this.count(uri, -1)));
  }

  prompts(): Promise<readonly Prompt[]> {
    return Promise.resolve([{name: 'greet', description: 'greets', arguments: [{name: 'who'}]}]);
  }

  getPrompt({name, arguments: given}: GetPromptRequest['params']): Promise<GetPromptResult | undefined> {
    if (name !== 'greet') return Promise.resolve(undefined);
    const content = {type: 'text' as const, text: `greet ${given?.['who'] ?? 'all'}`};
    return Promise.resolve({messages: [{role: 'user', content}]});
  }

  complete({ref, argument}: CompleteRequest['params']): Promise<CompleteResult | undefined> {
    if (ref.type !== 'ref/prompt') return Promise.resolve(undefined);
    return Promise.resolve({completion: {values: [`${argument.value}-one`], hasMore: false}});
  }

  onChange(_caller: SurfaceCaller, listener: (change: SurfaceChange) => void): Disposable {
    this.listeners += 1;
    const listening = this.changes.event(listener);
    return toDisposable(() => {
      this.listeners -= 1;
      listening.dispose();
    });
  }

  release(clientKey: string): void {
    this.released.push(clientKey);
  }

  private async wait(said: string, {signal, progress}: SurfaceCall): Promise<CallToolResult> {
    const end = deferred<void>();
    this.waiting.set(said, end);
    this.arrivals.emit(said);
    progress({progress: 1});
    const onAbort = (): void => {
      this.cancelled.push(said);
      end.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, {once: true});
    try {
      await end.promise;
      return text(`waited for ${said}`);
    } finally {
      this.waiting.delete(said);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Reports more than anybody has room for, until the call is given up. */
  private async flood({signal, progress}: SurfaceCall): Promise<CallToolResult> {
    const message = 'x'.repeat(1024 ** 2);
    for (let count = 1; count <= 200 && !signal.aborted; count++) {
      progress({progress: count, message});
      await pause(1);
    }
    if (signal.aborted) this.cancelled.push('flood');
    return text('flooded');
  }

  private ask({inputResponses, requestState}: SurfaceCall): CallToolResult | InputRequiredResult {
    const content = acceptedContent<{colour: string}>(inputResponses, 'colour');
    if (content) return text(`${content.colour}, ${requestState}`);
    return inputRequired({
      inputRequests: {colour: inputRequired.elicit(QUESTION)},
      requestState: 'state of the call',
    });
  }

  private count(uri: string, by: number): void {
    const count = (this.subscribed.get(uri) ?? 0) + by;
    if (count === 0) this.subscribed.delete(uri);
    else this.subscribed.set(uri, count);
  }
}

function text(said: string): CallToolResult {
  return {content: [{type: 'text', text: said}]};
}
