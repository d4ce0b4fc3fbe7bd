/** Several surfaces shown as one: lists one behind the other, a call to the first that has what it names, changes of all. */
import type {
  CallToolRequest,
  CallToolResult,
  CompleteRequest,
  CompleteResult,
  GetPromptRequest,
  GetPromptResult,
  InputRequiredResult,
  Prompt,
  ReadResourceResult,
  Resource,
  ResourceTemplateType,
  Tool,
} from '@modelcontextprotocol/server';
import type {Logger} from '../observability/logger.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Surface, SurfaceCall, SurfaceCaller, SurfaceChange} from './surface.ts';

export class ComposedSurface implements Surface {
  private readonly merges = {
    tools: new Merge<Tool>(({name}) => name),
    resources: new Merge<Resource>(({uri}) => uri),
    templates: new Merge<ResourceTemplateType>(({uriTemplate}) => uriTemplate),
    prompts: new Merge<Prompt>(({name}) => name),
  };

  constructor(
    /** Where two have the same name, the earlier one's is shown and called. */
    private readonly surfaces: readonly Surface[],
    private readonly logger: Logger,
  ) {}

  async tools(caller: SurfaceCaller): Promise<readonly Tool[]> {
    return this.merges.tools.of(await this.lists(surface => surface.tools(caller)));
  }

  callTool(
    params: CallToolRequest['params'],
    call: SurfaceCall,
  ): Promise<CallToolResult | InputRequiredResult | undefined> {
    return this.first(surface => surface.callTool(params, call));
  }

  async resources(caller: SurfaceCaller): Promise<readonly Resource[]> {
    return this.merges.resources.of(await this.lists(surface => surface.resources(caller)));
  }

  async resourceTemplates(caller: SurfaceCaller): Promise<readonly ResourceTemplateType[]> {
    return this.merges.templates.of(await this.lists(surface => surface.resourceTemplates(caller)));
  }

  readResource(
    uri: string,
    call: SurfaceCall,
  ): Promise<ReadResourceResult | InputRequiredResult | undefined> {
    return this.first(surface => surface.readResource(uri, call));
  }

  subscribe(uri: string, caller: SurfaceCaller): Promise<Disposable | undefined> {
    return this.first(surface => surface.subscribe(uri, caller));
  }

  async prompts(caller: SurfaceCaller): Promise<readonly Prompt[]> {
    return this.merges.prompts.of(await this.lists(surface => surface.prompts(caller)));
  }

  getPrompt(
    params: GetPromptRequest['params'],
    call: SurfaceCall,
  ): Promise<GetPromptResult | InputRequiredResult | undefined> {
    return this.first(surface => surface.getPrompt(params, call));
  }

  complete(params: CompleteRequest['params'], call: SurfaceCall): Promise<CompleteResult | undefined> {
    return this.first(surface => surface.complete(params, call));
  }

  onChange(caller: SurfaceCaller, listener: (change: SurfaceChange) => void): Disposable {
    const listening = new DisposableStore();
    for (const surface of this.surfaces) listening.add(surface.onChange(caller, listener));
    return listening;
  }

  release(clientKey: string): void {
    for (const surface of this.surfaces) {
      try {
        surface.release(clientKey);
      } catch (error) {
        this.logger.error('a client was not released', {clientKey, error});
      }
    }
  }

  private async first<T>(ask: (surface: Surface) => Promise<T | undefined>): Promise<T | undefined> {
    for (const surface of this.surfaces) {
      const answer = await ask(surface);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** One that fails does not take the others' entries away; when all do, so does the list. */
  private async lists<T>(ask: (surface: Surface) => Promise<readonly T[]>): Promise<(readonly T[])[]> {
    const asked = await Promise.allSettled(this.surfaces.map(async surface => ask(surface)));
    const lists: (readonly T[])[] = [];
    const errors: unknown[] = [];
    for (const outcome of asked) {
      if (outcome.status === 'fulfilled') lists.push(outcome.value);
      else errors.push(outcome.reason);
    }
    if (errors.length > 0 && lists.length === 0) throw errors[0];
    for (const error of errors) this.logger.warn('a list lacks the entries of one surface', {error});
    return lists;
  }
}

/** Makes one list of several, once for as long as these do not change: lists are asked for much more often than they change. */
class Merge<T> {
  private readonly known = new WeakMap<
    readonly T[],
    {parts: readonly (readonly T[])[]; merged: readonly T[]}
  >();

  constructor(private readonly keyOf: (entry: T) => string) {}

  of(lists: readonly (readonly T[])[]): readonly T[] {
    const parts = lists.filter(list => list.length > 0);
    const [first] = parts;
    if (first === undefined) return [];
    if (parts.length === 1) return first;
    const known = this.known.get(first);
    if (known && known.parts.length === parts.length && known.parts.every((part, at) => part === parts[at]))
      return known.merged;
    const byKey = new Map<string, T>();
    for (const entry of parts.flat()) {
      const key = this.keyOf(entry);
      if (!byKey.has(key)) byKey.set(key, entry);
    }
    const merged = [...byKey.values()];
    this.known.set(first, {parts, merged});
    return merged;
  }
}
