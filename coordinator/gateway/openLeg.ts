/** Connects to a server: process or address, the older or the newer protocol, found out once and remembered. */
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  Client,
  type ClientCapabilities,
  PROTOCOL_VERSION_META_KEY,
  type PriorDiscovery,
  SSEClientTransport,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client';
import type {Logger} from '../observability/logger.ts';
import type {ServerEndpoint, StdioEndpoint} from '../protocol/model/server.ts';
import {aborted} from '../runtime/abort.ts';
import {atMost, type Clock} from '../runtime/clock.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../runtime/errors.ts';
import {VERSION} from '../version.ts';
import {eraOf, Leg} from './leg.ts';
import {type EndpointAuthorization, withoutSecretsOf} from './oauth/authorization.ts';
import {PipedCalls} from './pipedCalls.ts';
import {ProcessTransport} from './processTransport.ts';
import type {ProcessLauncher} from './serverProcess.ts';

export interface OpenLegOptions {
  /** Its variables are filled in. */
  readonly endpoint: ServerEndpoint;
  readonly authorization: EndpointAuthorization | undefined;
  /** What a server finds in its environment beside what its endpoint says. */
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly maxHeapMb: number | undefined;
  readonly launcher: ProcessLauncher;
  readonly capabilities: ClientCapabilities;
  readonly era: 'auto' | 'legacy' | 'modern';
  /** What an earlier connection found. */
  readonly prior: PriorDiscovery | undefined;
  readonly exclusive: boolean | undefined;
  readonly startTimeoutMs: number;
  readonly graceMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

const MODERN = '2026-07-28';
const IMPLEMENTATION = {name: 'mcpx', version: VERSION};
/** A server that has not answered the first question by then is asked in the older way. */
const PROBE_SHARE = 0.5;

/** Rejects with `unavailable`, which says why. Nothing is left of a connection that failed. */
export async function openLeg(options: OpenLegOptions): Promise<Leg> {
  const {prior, era, endpoint, signal} = options;
  if (prior) return connect(options, prior);
  if (era === 'legacy' || endpoint.type === 'sse') return connect(options, {kind: 'legacy'});
  try {
    return await connect(options, undefined);
  } catch (error) {
    // Servers are known that end at a question which they do not know.
    const ended = error instanceof CoordinatorError && error.code === 'closed';
    if (era === 'modern' || !ended || signal.aborted) throw error;
    return connect(options, {kind: 'legacy'});
  }
}

async function connect(options: OpenLegOptions, prior: PriorDiscovery | undefined): Promise<Leg> {
  const {capabilities, era, startTimeoutMs, signal, clock, logger} = options;
  const client = new Client(IMPLEMENTATION, {
    capabilities,
    versionNegotiation: {
      mode: era === 'modern' ? {pin: MODERN} : 'auto',
      probe: {timeoutMs: startTimeoutMs * PROBE_SHARE},
    },
  });
  const wire = wireOf(options);
  const end = async (): Promise<void> => {
    await wire.leave().catch(() => undefined);
    await client.close().catch(() => undefined);
    await wire.transport.close().catch(() => undefined);
  };
  const late = new AbortController();
  const timer = clock.schedule(startTimeoutMs, () => late.abort());
  const stopped = AbortSignal.any([signal, late.signal]);
  try {
    await Promise.race([
      client.connect(wire.transport, {timeout: startTimeoutMs, signal: stopped, ...(prior && {prior})}),
      aborted(stopped),
    ]);
    return new Leg({
      client,
      piped: wire.process && pipedCalls(wire.process, client, capabilities),
      exclusive: options.exclusive,
      logger,
      hide: text => withoutSecretsOf(options.authorization, text),
      end,
      pid: () => wire.process?.pid ?? undefined,
      ending: () => wire.process?.ending,
      keepsState: eraOf(client) === 'legacy' && wire.keepsState(),
      clock,
    });
  } catch (cause) {
    const ending = wire.process?.ending;
    void end();
    if (ending !== undefined) throw new CoordinatorError('closed', `it ended at its start: ${ending}`);
    if (late.signal.aborted && !signal.aborted)
      throw new CoordinatorError('timeout', `it did not answer within ${startTimeoutMs} ms`, {
        hint: 'Raise startTimeoutMs of the server if it takes that long.',
      });
    if (isCoordinatorError(cause, 'unauthorized')) throw cause;
    throw new CoordinatorError('unavailable', `cannot connect: ${describeError(cause)}`, {cause});
  } finally {
    timer.dispose();
  }
}

function pipedCalls(wire: ProcessTransport, client: Client, capabilities: ClientCapabilities): PipedCalls {
  const piped = new PipedCalls(message => wire.send(message), {
    era: eraOf(client),
    envelope: {
      [PROTOCOL_VERSION_META_KEY]: client.getNegotiatedProtocolVersion(),
      [CLIENT_INFO_META_KEY]: IMPLEMENTATION,
      [CLIENT_CAPABILITIES_META_KEY]: capabilities,
    },
  });
  wire.intercept = message => piped.receive(message);
  return piped;
}

interface Wire {
  readonly transport: Transport;
  readonly process: ProcessTransport | undefined;
  /** Tells the server that its session is over, where there is one. */
  leave(): Promise<void>;
  /** Asked of a connection of the older era. */
  keepsState(): boolean;
}

function wireOf(options: OpenLegOptions): Wire {
  const {endpoint, clock, graceMs} = options;
  if (endpoint.type === 'stdio') {
    const process = new ProcessTransport({
      launcher: options.launcher,
      request: {
        command: endpoint.command,
        args: endpoint.args,
        cwd: endpoint.cwd,
        env: environmentOf(endpoint, options),
      },
      graceMs,
      clock,
    });
    return {transport: process, process, leave: async () => undefined, keepsState: () => true};
  }
  const url = new URL(endpoint.url);
  const {authorization} = options;
  const letIn = authorization
    ? {
        authProvider: authorization.authProvider,
        fetch: authorization.fetch,
        onInsufficientScope: authorization.onInsufficientScope,
      }
    : {requestInit: {headers: endpoint.headers}};
  if (endpoint.type === 'sse')
    return {
      transport: new SSEClientTransport(url, letIn),
      process: undefined,
      leave: async () => undefined,
      keepsState: () => true,
    };
  const transport = new StreamableHTTPClientTransport(url, letIn);
  return {
    transport,
    process: undefined,
    keepsState: () => transport.sessionId !== undefined,
    leave: async () => {
      if (transport.sessionId !== undefined) await atMost(clock, graceMs, transport.terminateSession());
    },
  };
}

function environmentOf({env}: StdioEndpoint, {baseEnv, maxHeapMb}: OpenLegOptions): Record<string, string> {
  const all: Record<string, string> = {...baseEnv, ...env};
  if (maxHeapMb !== undefined)
    all['NODE_OPTIONS'] = [all['NODE_OPTIONS'], `--max-old-space-size=${maxHeapMb}`]
      .filter(Boolean)
      .join(' ');
  return all;
}
