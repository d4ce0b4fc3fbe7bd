/**
 * What an MCP server shows to whoever asks: the hub's own tools are one surface, the servers behind the hub another, and the endpoint shows their
 * sum. A surface knows no HTTP and no era: what only one era has, the call says.
 */
import type {
  CallToolRequest,
  CallToolResult,
  ClientCapabilities,
  CompleteRequest,
  CompleteResult,
  GetPromptRequest,
  GetPromptResult,
  InputRequiredResult,
  LoggingLevel,
  Progress,
  Prompt,
  ReadResourceResult,
  RequestMeta,
  Resource,
  ResourceTemplateType,
  Tool,
} from '@modelcontextprotocol/server';
import type {Disposable} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';

/** 2025-11-25 with sessions, or 2026-07-28 without any. */
export type Era = 'legacy' | 'modern';

/** Who asks. */
export interface SurfaceCaller {
  readonly principal: Principal;
  readonly era: Era;
  /** What state of this client hangs on: its session or socket; in the modern era over HTTP, which has neither, its principal. `release` ends it. */
  readonly clientKey: string;
  readonly capabilities: ClientCapabilities;
}

/** One request of theirs. */
export interface SurfaceCall extends SurfaceCaller {
  readonly signal: AbortSignal;
  readonly meta?: RequestMeta | undefined;
  /** The least level of logs that a client of the modern era wants to hear of; without one it wants none. */
  readonly logLevel?: LoggingLevel | undefined;
  progress(progress: Progress): void;
  log(level: LoggingLevel, data: unknown, logger?: string): void;
  /** Asks the client something in mid-call (sampling, elicitation, roots). Only the legacy era can: otherwise answer `input_required`. */
  readonly request?: ((method: string, params: Record<string, unknown>) => Promise<unknown>) | undefined;
  /** What the client answered to an earlier `input_required`, not to be trusted. */
  readonly inputResponses?: Readonly<Record<string, unknown>> | undefined;
  /** What that answer carried. */
  readonly requestState?: string | undefined;
}

export type SurfaceChange =
  | {readonly kind: 'tools' | 'resources' | 'prompts'}
  /** The content of one resource. */
  | {readonly kind: 'resource'; readonly uri: string};

/** Methods reject with the SDK's `ProtocolError`; that a tool failed is a result. */
export interface Surface {
  tools(caller: SurfaceCaller): Promise<readonly Tool[]>;
  /** Undefined where it has no such tool. */
  callTool(
    params: CallToolRequest['params'],
    call: SurfaceCall,
  ): Promise<CallToolResult | InputRequiredResult | undefined>;

  resources(caller: SurfaceCaller): Promise<readonly Resource[]>;
  resourceTemplates(caller: SurfaceCaller): Promise<readonly ResourceTemplateType[]>;
  readResource(uri: string, call: SurfaceCall): Promise<ReadResourceResult | InputRequiredResult | undefined>;
  /** Changes of its content are told by `onChange` until disposed. Undefined where it has no such resource. */
  subscribe(uri: string, caller: SurfaceCaller): Promise<Disposable | undefined>;

  prompts(caller: SurfaceCaller): Promise<readonly Prompt[]>;
  getPrompt(
    params: GetPromptRequest['params'],
    call: SurfaceCall,
  ): Promise<GetPromptResult | InputRequiredResult | undefined>;
  complete(params: CompleteRequest['params'], call: SurfaceCall): Promise<CompleteResult | undefined>;

  /** Of what `caller` may see. */
  onChange(caller: SurfaceCaller, listener: (change: SurfaceChange) => void): Disposable;
  /** The client has gone for good: nothing is kept for it. */
  release(clientKey: string): void;
}
