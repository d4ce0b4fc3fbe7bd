/**
 * Another surface as attempts get it: only while their fence stands, which is looked for with every call; and a backup, which runs beside the attempt that
 * has the fence of their task, gets what says that it changes nothing. Everybody else gets it as it is.
 */
import {
  type CallToolRequest,
  type CallToolResult,
  type CompleteRequest,
  type CompleteResult,
  type GetPromptRequest,
  type GetPromptResult,
  type InputRequiredResult,
  type Prompt,
  type ReadResourceResult,
  type Resource,
  type ResourceTemplateType,
  ProtocolError as SdkError,
  type Tool,
} from '@modelcontextprotocol/server';
import {wireError} from '../bridge/wireErrors.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {AttemptGrant} from '../security/principal.ts';
import type {Surface, SurfaceCall, SurfaceCaller, SurfaceChange} from './surface.ts';
import type {AdmitAttempt} from './tools/actor.ts';

export class FencedSurface implements Surface {
  constructor(
    private readonly inner: Surface,
    private readonly admitAttempt: AdmitAttempt,
  ) {}

  async tools(caller: SurfaceCaller): Promise<readonly Tool[]> {
    const grant = await this.admit(caller);
    const tools = await this.inner.tools(caller);
    return grant?.backup ? tools.filter(changesNothing) : tools;
  }

  async callTool(
    params: CallToolRequest['params'],
    call: SurfaceCall,
  ): Promise<CallToolResult | InputRequiredResult | undefined> {
    const grant = await this.admit(call);
    if (grant?.backup) {
      const tool = (await this.inner.tools(call)).find(({name}) => name === params.name);
      if (!tool) return undefined;
      if (!changesNothing(tool)) return refused(grant);
    }
    return this.inner.callTool(params, call);
  }

  async resources(caller: SurfaceCaller): Promise<readonly Resource[]> {
    await this.admit(caller);
    return this.inner.resources(caller);
  }

  async resourceTemplates(caller: SurfaceCaller): Promise<readonly ResourceTemplateType[]> {
    await this.admit(caller);
    return this.inner.resourceTemplates(caller);
  }

  async readResource(
    uri: string,
    call: SurfaceCall,
  ): Promise<ReadResourceResult | InputRequiredResult | undefined> {
    await this.admit(call);
    return this.inner.readResource(uri, call);
  }

  async subscribe(uri: string, caller: SurfaceCaller): Promise<Disposable | undefined> {
    await this.admit(caller);
    return this.inner.subscribe(uri, caller);
  }

  async prompts(caller: SurfaceCaller): Promise<readonly Prompt[]> {
    await this.admit(caller);
    return this.inner.prompts(caller);
  }

  async getPrompt(
    params: GetPromptRequest['params'],
    call: SurfaceCall,
  ): Promise<GetPromptResult | InputRequiredResult | undefined> {
    await this.admit(call);
    return this.inner.getPrompt(params, call);
  }

  async complete(params: CompleteRequest['params'], call: SurfaceCall): Promise<CompleteResult | undefined> {
    await this.admit(call);
    return this.inner.complete(params, call);
  }

  onChange(caller: SurfaceCaller, listener: (change: SurfaceChange) => void): Disposable {
    return this.inner.onChange(caller, listener);
  }

  release(clientKey: string): void {
    this.inner.release(clientKey);
  }

  /** Rejects where the attempt is over. */
  private async admit({principal}: SurfaceCaller): Promise<AttemptGrant | undefined> {
    if (!principal.attempt) return undefined;
    try {
      return await this.admitAttempt(principal.attempt, principal);
    } catch (error) {
      const {code, message, data} = wireError(error);
      throw new SdkError(code, message, data);
    }
  }
}

function changesNothing({annotations}: Tool): boolean {
  return annotations?.readOnlyHint === true;
}

function refused({attemptId}: AttemptGrant): CallToolResult {
  const text = `forbidden: attempt ${attemptId} runs beside another one that has the fence of their task: it may look, and change nothing`;
  return {isError: true, content: [{type: 'text', text}]};
}
