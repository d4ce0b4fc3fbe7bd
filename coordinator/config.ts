/** Every setting of a coordinator: schema, default and description in one place; values come from a file, the environment and flags, in that order. */
import {readFile} from 'node:fs/promises';
import * as z from 'zod';
import {CoordinatorError, systemErrorCode} from './runtime/errors.ts';

const ms = z.coerce.number().int().nonnegative();
const count = z.coerce.number().int().positive();
const bytes = z.coerce.number().int().positive();

export const Settings = z.strictObject({
  leaseSeconds: count.default(10).describe('An agent that has been silent for this long is unreachable.'),
  healthCheckMs: count
    .default(30_000)
    .describe('Time between two health checks of a connected agent, in ms.'),
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
