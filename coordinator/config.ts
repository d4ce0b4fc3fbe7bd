/** Every setting of a coordinator: schema, default and description in one place; values come from a file, the environment and flags, in that order. */
import {readFile} from 'node:fs/promises';
import * as z from 'zod';
import {CoordinatorError, systemErrorCode} from './runtime/errors.ts';

const ms = z.coerce.number().int().nonnegative();
const count = z.coerce.number().int().positive();
const bytes = z.coerce.number().int().positive();

export const Settings = z.strictObject({
  mode: z
    .enum(['internal', 'external', 'hybrid', 'auto'])
    .default('hybrid')
    .describe(
      'Which agents do the work, for every session: internal (that this coordinator runs on its machine), external (that joined), hybrid, or auto (internal first).',
    ),
  autoWaitMs: ms
    .default(30_000)
    .describe(
      'In mode auto: how long a task may wait for an internal agent while an external one is free, in ms.',
    ),
  maxSessions: count.default(2000).describe('Sessions that may be open at once; more are refused.'),
  maxSessionsPerTenant: count.default(1000).describe('Of one tenant.'),
  maxTasks: count
    .default(1_000_000)
    .describe('Unfinished tasks of open sessions at once; sessions and tasks beyond that are refused.'),
  maxTasksPerTenant: count.default(500_000).describe('Of one tenant.'),
  maxRunning: z.coerce
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe('Attempts at once, shared out fairly between tenants; 0: as many as there are slots.'),
  tenantShares: z
    .string()
    .regex(
      /^\s*([a-z0-9._-]{1,63}=(?!0+(\.0*)?(\s|$))\d+(\.\d+)?(\s+|$))*$/,
      'write TENANT=WEIGHT, with spaces between several and weights above 0',
    )
    .default('')
    .describe('Weights of tenants in maxRunning, such as "acme=3 beta=1"; a tenant that is not named has 1.'),
  calibrationUsd: z.coerce
    .number()
    .nonnegative()
    .default(0)
    .describe(
      'Dollars that a first, short task of each newly joined agent may spend, from which placement learns how fast it is; 0: none.',
    ),
  strategyModule: z
    .string()
    .default('')
    .describe(
      'File of an ES module whose default export is a strategy {name, optimize(candidates, task)}, or a list of them, for plans to name; relative to the data directory.',
    ),
  strategyTimeoutMs: count
    .default(1000)
    .describe('How long such a strategy may think about a task; then capability-weighted decides, in ms.'),
  cacheResults: z.coerce
    .number()
    .int()
    .nonnegative()
    .max(100_000)
    .default(2000)
    .describe(
      'Results of tasks with "cache: true" that are kept for later ones with identical inputs; those not used for longest go first. 0: none.',
    ),
  cacheBytes: bytes.default(10 * 1024 ** 3).describe('Bytes of what these results name, in all.'),
  cacheUnusedMs: count
    .default(30 * 86_400_000)
    .describe('Such a result goes when it was not used for this long, in ms.'),
  leaseSeconds: count.default(10).describe('An agent that has been silent for this long is unreachable.'),
  healthCheckMs: count
    .default(30_000)
    .describe('Time between two health checks of a connected agent, in ms.'),
  healthTimeoutMs: count
    .default(5000)
    .describe('A health check without an answer in this time has failed, in ms.'),
  quarantineFaults: z.coerce
    .number()
    .int()
    .nonnegative()
    .default(3)
    .describe(
      'Attempts that failed by the fault of their agent, within the window, after which it gets no work for a while; 0: never.',
    ),
  quarantineWindowMs: count
    .default(600_000)
    .describe('The window in which such faults count together, in ms.'),
  quarantineMs: count
    .default(300_000)
    .describe('Length of a first quarantine, in ms; each in a row lasts twice as long, up to an hour.'),
  poolMax: z.coerce
    .number()
    .int()
    .nonnegative()
    .max(1024)
    .default(0)
    .describe('Agents that are started as the work demands, at most; 0: none.'),
  poolMin: z.coerce
    .number()
    .int()
    .nonnegative()
    .max(1024)
    .default(0)
    .describe('Agents that are there without work too.'),
  poolSlots: count.default(2).describe('Attempts at once of each such agent.'),
  poolProvider: z
    .enum(['localProcesses', 'command'])
    .default('localProcesses')
    .describe('What starts them: processes of this machine, or poolStart.'),
  poolStart: z
    .string()
    .default('')
    .describe(
      'Shell command that starts an agent and returns, with {id}, {url}, {slots} and {pin}; MCPX_TOKEN and MCPX_CA_PIN are in its environment.',
    ),
  poolStop: z
    .string()
    .default('')
    .describe('Shell command that ends the agent {id}, also when it is gone already.'),
  poolAgentArgs: z
    .string()
    .default('')
    .describe('For processes of this machine: added to their command line, such as --region eu.'),
  poolTargetWaitMs: ms
    .default(30_000)
    .describe('Agents are added while a task that is ready is expected to wait longer, in ms.'),
  poolCooldownMs: ms
    .default(120_000)
    .describe('An agent that has been idle for this long is sent away when the work needs fewer, in ms.'),
  poolJoinMs: count
    .default(120_000)
    .describe('An agent that has not joined in this time is started anew, in ms.'),
  multicast: z
    .enum(['off', 'on'])
    .default('off')
    .describe('Says on the local network where this coordinator is, and hears where agents listen.'),
  multicastInterface: z
    .string()
    .default('')
    .describe('Address of the only interface for that; default: all.'),
  multicastPort: count.max(65_535).default(5353).describe('Port of multicast DNS.'),
  discoveryStatic: z
    .string()
    .default('')
    .describe('Addresses of agents that listen, with spaces or commas between them, as with --dial.'),
  discoveryDns: z
    .string()
    .default('')
    .describe('Name whose SRV records say where agents listen, such as _mcpx-agent._tcp.example.org.'),
  discoveryDnsServer: z
    .string()
    .default('')
    .describe("Address of the resolver to ask for it; default: the system's."),
  discoveryDnsMs: count.default(30_000).describe('Time between two such lookups, in ms.'),
  lossGraceMs: ms
    .default(15_000)
    .describe('Hub time that an unreachable attempt stays current before it may be replaced, in ms.'),
  lingerMs: ms
    .default(60_000)
    .describe(
      'A coordinator started by mcpx run ends after this time with no client and no unfinished session, in ms; 0: never.',
    ),
  dailyBudgetUsd: z.coerce
    .number()
    .positive()
    .optional()
    .describe('Dollars that the whole fleet may spend on one UTC day; default: no limit.'),
  keepSessions: count.default(200).describe('Ended sessions that are kept.'),
  keepSessionsMs: ms
    .default(14 * 86_400_000)
    .describe('Ended sessions older than this are forgotten, in ms.'),
  retentionMs: count.default(60_000).describe('How often ended sessions are looked through, in ms.'),
  historyRevisions: count
    .default(20_000)
    .describe('Old revisions that the store keeps for watches to resume from and for reads of the past.'),
  historySealMs: ms
    .default(5000)
    .describe(
      'Least time between two writes of the journal of one session, from which its past is shown, in ms.',
    ),
  snapshotEntries: count.default(100_000).describe('Log entries between two snapshots of the store.'),
  snapshotBytes: bytes.default(64 * 1024 * 1024).describe('Log bytes between two snapshots of the store.'),
  segmentBytes: bytes.default(64 * 1024 * 1024).describe('Size of one segment of the log.'),
  etcdTimeoutMs: count
    .default(10_000)
    .describe('Longest time of a read or write where an etcd is the store, in ms.'),
  etcdHeartbeatMs: count
    .default(5000)
    .describe(
      'Time without a write after which an etcd gets a heartbeat, which measures how far behind its watch is, in ms.',
    ),
  maxFrameBytes: bytes.default(8 * 1024 * 1024).describe('Largest WebSocket message that is read.'),
  maxConnections: count.default(12_000).describe('WebSocket connections in all.'),
  mcpMaxSessions: count
    .default(4096)
    .describe('Sessions of MCP clients at once; beyond that the one that was idle longest ends.'),
  mcpMaxSessionsPerToken: count.default(256).describe('Of one token.'),
  mcpSessionIdleMs: count
    .default(1_800_000)
    .describe(
      'A session of an MCP client that asked nothing for so long, and has no stream open, ends, in ms.',
    ),
  maxConnectionsPerToken: count
    .default(2000)
    .describe(
      'WebSocket connections that came with one token: agents that share a join token count together.',
    ),
  keepArtifactsMs: ms
    .default(86_400_000)
    .describe('An artifact that nothing names is deleted when it is older than this, in ms.'),
  artifactWaitMs: count
    .default(15_000)
    .describe(
      'Where several coordinators share the store: an artifact that gets no further towards a majority of them for this long is refused, in ms.',
    ),
  artifactRepairMs: count
    .default(600_000)
    .describe('Time between two looks for artifacts that other coordinators have and this one lacks, in ms.'),
  maxArtifactBytes: bytes.default(2 * 1024 * 1024 * 1024).describe('Largest artifact that is taken.'),
  pingIntervalMs: count.default(10_000).describe('Time between two pings of a connection, in ms.'),
  pongTimeoutMs: count
    .default(20_000)
    .describe('A connection that has not answered a ping for this long is closed, in ms.'),
  gatewayProcesses: count
    .default(256)
    .describe('Processes of MCP servers at once, for all clients together.'),
  gatewayStarts: count.default(4).describe('MCP servers that are started or connected to at once.'),
  gatewayStartMs: count
    .default(60_000)
    .describe('Longest time in which an MCP server has to answer first, in ms.'),
  gatewayCallMs: count
    .default(300_000)
    .describe('A call of an MCP server that shows no progress for this long is cancelled, in ms.'),
  gatewayIdleMs: count
    .default(1_800_000)
    .describe('A process or session of an MCP server that nobody used for so long is ended, in ms.'),
  gatewayListMs: count
    .default(10_000)
    .describe('How long a list waits for MCP servers that have not told yet what they offer, in ms.'),
  gatewayHealthMs: count.default(30_000).describe('Time between two pings of an idle MCP server, in ms.'),
  watchRing: count.default(10_000).describe('Recent revisions kept in memory for clients that resume.'),
});
export type Settings = z.infer<typeof Settings>;

export const DEFAULT_SETTINGS: Settings = Settings.parse({});

/** Settings from `file` (JSON; may be absent), then `MCPX_SET` in the environment, then `--set` flags. Throws `config` naming source and setting. */
export async function loadSettings(
  file: string,
  environment: string | undefined,
  flags: readonly string[],
): Promise<Settings> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return '{}';
    throw new CoordinatorError('config', `cannot read ${file}`, {cause: error});
  });
  const layers: readonly (readonly [string, Record<string, unknown>])[] = [
    [file, parseObject(text, file)],
    ['MCPX_SET', parsePairs(environment ? environment.split(',') : [], 'MCPX_SET')],
    ['--set', parsePairs(flags, '--set')],
  ];
  // Each layer is checked alone first, so that an error names its source.
  for (const [source, values] of layers) {
    const parsed = Settings.safeParse(values);
    if (!parsed.success) throw invalidSetting(source, parsed.error);
  }
  return Settings.parse(Object.assign({}, ...layers.map(([, values]) => values)));
}

/** Of the setting `tenantShares`. */
export function sharesOf({tenantShares}: Pick<Settings, 'tenantShares'>): ReadonlyMap<string, number> {
  const pairs = tenantShares.split(/\s+/).filter(Boolean);
  return new Map(
    pairs.map(pair => {
      const [tenant = '', weight] = pair.split('=');
      return [tenant, Number(weight)];
    }),
  );
}

function invalidSetting(source: string, error: z.ZodError): CoordinatorError {
  const [issue] = error.issues;
  if (issue?.code === 'unrecognized_keys') {
    return new CoordinatorError('config', `${source}: there is no setting "${issue.keys[0]}"`, {
      hint: `The settings are: ${Object.keys(Settings.shape).join(', ')}.`,
    });
  }
  const name = String(issue?.path[0] ?? '');
  const hint = Object.entries(Settings.shape).find(([key]) => key === name)?.[1].description;
  return new CoordinatorError('config', `${source}: ${name}: ${issue?.message ?? 'invalid'}`, {hint});
}

function parseObject(text: string, source: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CoordinatorError('config', `${source} is not JSON`, {cause: error});
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(json);
  if (!parsed.success) throw new CoordinatorError('config', `${source} must hold a JSON object of settings`);
  return parsed.data;
}

function parsePairs(pairs: readonly string[], source: string): Record<string, string> {
  return Object.fromEntries(
    pairs.map(pair => {
      const at = pair.indexOf('=');
      if (at <= 0) throw new CoordinatorError('config', `${source}: "${pair}" is not NAME=VALUE`);
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}
