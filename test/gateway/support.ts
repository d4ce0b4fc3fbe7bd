/** A gateway over real servers as processes, and callers of both eras as an endpoint would make them. */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import type {ClientCapabilities} from '@modelcontextprotocol/client';
import {Gateway} from '../../coordinator/gateway/gateway.ts';
import {DEFAULT_GATEWAY, type GatewaySettings} from '../../coordinator/gateway/gatewaySettings.ts';
import {GatewaySurface} from '../../coordinator/gateway/gatewaySurface.ts';
import type {CredentialStore} from '../../coordinator/gateway/oauth/credentialStore.ts';
import {GroupLauncher} from '../../coordinator/gateway/serverProcess.ts';
import type {Era, SurfaceCall} from '../../coordinator/mcp/surface.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {ServerDefinition} from '../../coordinator/protocol/model/server.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import type {Principal} from '../../coordinator/security/principal.ts';

const FIXTURES = fileURLToPath(new URL('servers/', import.meta.url));
export const LEGACY = `${FIXTURES}legacyServer.mjs`;
export const MODERN = `${FIXTURES}modernServer.mjs`;

export type Definition = Partial<ServerDefinition> & {name: string};

/** A definition of a fixture over stdio; its label is its name. */
export function fixture(
  file: string,
  name: string,
  flags: readonly string[] = [],
  more: object = {},
): ServerDefinition {
  return ServerDefinition.parse({
    name,
    endpoint: {type: 'stdio', command: process.execPath, args: [file, '--label', name, ...flags]},
    ...more,
  });
}

export function http(name: string, url: string, more: object = {}): ServerDefinition {
  return ServerDefinition.parse({name, endpoint: {type: 'http', url}, ...more});
}

/** Of a gateway at whose servers nobody logs in. */
const NO_LOGINS: CredentialStore = {
  known: () => undefined,
  read: async () => undefined,
  renew: async () => undefined,
};

export interface GatewayFixture {
  readonly gateway: Gateway;
  readonly surface: GatewaySurface;
  stop(): Promise<void>;
}

export function gatewayOf(
  definitions: readonly ServerDefinition[],
  settings: Partial<GatewaySettings> = {},
  work: (agentId: string | undefined) => readonly {sessionId: string; taskId: string}[] = () => [],
  credentials: CredentialStore = NO_LOGINS,
): GatewayFixture {
  const gateway = new Gateway({
    settings: {...DEFAULT_GATEWAY, backoff: {minBackoffMs: 50, maxBackoffMs: 200}, graceMs: 500, ...settings},
    launcher: new GroupLauncher(systemClock),
    variables: process.env,
    credentials,
    baseEnv: {PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/'},
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  const surface = new GatewaySurface({
    gateway,
    contextOf: ({principal}) => ({role: principal.role, work: work(principal.agentId)}),
  });
  gateway.apply(definitions);
  return {gateway, surface, stop: () => gateway.stop()};
}

export interface TestCall extends SurfaceCall {
  readonly progressed: unknown[];
  readonly logged: unknown[];
  readonly asked: {method: string; params: Record<string, unknown>}[];
  abort(): void;
}

export interface CallerOptions {
  readonly era?: Era;
  readonly capabilities?: ClientCapabilities;
  readonly principal?: Partial<Principal>;
  /** Of a client of the older era. */
  readonly answer?: (method: string, params: Record<string, unknown>) => unknown;
  readonly inputResponses?: Readonly<Record<string, unknown>>;
  readonly requestState?: string;
  readonly meta?: Record<string, unknown>;
  readonly logLevel?: SurfaceCall['logLevel'];
}

export function callOf(clientKey: string, options: CallerOptions = {}): TestCall {
  const {era = 'legacy', capabilities = {}, answer, principal} = options;
  const abort = new AbortController();
  const progressed: unknown[] = [];
  const logged: unknown[] = [];
  const asked: TestCall['asked'] = [];
  return {
    principal: {id: `client:${clientKey}`, tenant: 'default', role: 'client', ...principal},
    ...{era, clientKey, capabilities, progressed, logged, asked},
    signal: abort.signal,
    abort: () => abort.abort(),
    meta: options.meta,
    logLevel: options.logLevel,
    progress: progress => void progressed.push(progress),
    log: (level, data, logger) => void logged.push({level, data, logger}),
    request:
      era === 'modern'
        ? undefined
        : async (method, params) => {
            asked.push({method, params});
            return answer?.(method, params);
          },
    inputResponses: options.inputResponses,
    requestState: options.requestState,
  };
}

/** What the first text of a result says, as JSON where it is some. */
export function said(result: unknown): unknown {
  const {content} = Object(result) as {content?: {text?: string}[]};
  const text = content?.[0]?.text ?? '';
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export async function use(
  {surface}: GatewayFixture,
  name: string,
  args: Record<string, unknown>,
  call: SurfaceCall,
): Promise<unknown> {
  const result = await surface.callTool({name, arguments: args}, call);
  if (result === undefined) throw new Error(`there is no tool ${name}`);
  return said(result);
}

export interface HttpServerFixture {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

export async function httpServer(file: string, flags: readonly string[] = []): Promise<HttpServerFixture> {
  const child = spawn(process.execPath, [file, '--http', ...flags], {stdio: ['pipe', 'pipe', 'inherit']});
  const lines = createInterface({input: child.stdout});
  const [line] = (await once(lines, 'line')) as [string];
  const port = Number(line);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    port,
    child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
