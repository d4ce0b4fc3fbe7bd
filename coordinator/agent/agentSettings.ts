/** Every limit and period of an agent, with its default and what it means. Where the agent works and for whom is agentOptions.ts. */
import * as z from 'zod';
import {CoordinatorError} from '../runtime/errors.ts';

const MiB = 1024 * 1024;
const ms = () => z.number().int().nonnegative();
const count = () => z.number().int().positive();

export const AgentSettings = z.object({
  maxOfflineMs: ms()
    .default(600_000)
    .describe(
      'Cut off from the hub for this long, running Claude Code is interrupted so that it stops spending.',
    ),
  flushMs: ms()
    .default(100)
    .describe('Transcript events are gathered this long before they are written and sent.'),
  batchEvents: count().max(1024).default(256).describe('Transcript events of one message at most.'),
  batchBytes: count()
    .default(256 * 1024)
    .describe('Bytes of transcript events of one message at most, one event excepted.'),
  spoolBytes: count()
    .default(256 * MiB)
    .describe('Unacknowledged transcript on disk at most; beyond it events are dropped and a gap is marked.'),
  segmentBytes: count()
    .default(256 * 1024)
    .describe('A file of the transcript spool is closed beyond this size.'),
  transcriptDrainMs: ms()
    .default(10_000)
    .describe('A completion waits this long, while connected, for its transcript to be acknowledged first.'),
  retryMinMs: ms().default(200).describe('First pause before a message that failed is sent again.'),
  retryMaxMs: ms().default(10_000).describe('Longest pause between two tries of a message.'),
  requestTimeoutMs: count().default(30_000).describe('A request without an answer is given up after this.'),
  pathsMs: ms()
    .default(3000)
    .describe(
      'Least time between two looks at what an attempt has changed in its worktree; 0: it is not looked at.',
    ),
  checkpointBytes: ms()
    .default(64 * MiB)
    .describe(
      'Bytes, compressed, of a conversation and of its unfinished work that are kept at the coordinator at most, so that another machine can go on with it; 0: none is kept.',
    ),
  checkpointMs: ms()
    .default(200)
    .describe(
      'Least time between two checkpoints of a conversation; one that takes long is followed by a longer pause.',
    ),
  keptMs: ms()
    .default(60_000)
    .describe('Least time between two measurements of the worktrees that are kept for people.'),
  metricsMs: count().default(10_000).describe('Period of the metrics report.'),
  memorySyncMs: count()
    .default(5000)
    .describe('Time between two looks for what others wrote to the shared memory that is in use here.'),
  memoryPendingBytes: count()
    .default(64 * MiB)
    .describe('Writes to shared memory that wait on disk for the hub at most; beyond it they are refused.'),
  clockTickMs: count().default(500).describe('Period of the check of timeouts.'),
  clockMaxStepMs: count()
    .default(2000)
    .describe('Most that one check adds to the active time: a machine that slept has not worked meanwhile.'),
  claudeStarts: ms()
    .default(0)
    .describe('Claude Code processes that may be starting at once; 0: as many as there are cores.'),
  claudeStartMs: ms()
    .default(5000)
    .describe('A start counts as over at the first event of Claude Code, or after this.'),
  cancelGraceMs: ms().default(5000).describe('What a cancelled attempt may take to end by itself.'),
  releaseWaitMs: ms()
    .default(10_000)
    .describe('A failed attempt keeps its worktree this long for the hub to say whether it is to be kept.'),
  setupTimeoutMs: count().default(1_800_000).describe('Longest run of one set-up command of a workspace.'),
  rememberedAttempts: count()
    .default(20_000)
    .describe('Ended attempts remembered, so that an assignment sent twice is not run twice.'),
  stopTimeoutMs: ms()
    .default(30_000)
    .describe(
      'A stopping agent whose attempts have finished waits this long for the hub to take what it has for it.',
    ),
});
export type AgentSettings = z.infer<typeof AgentSettings>;

/** From `NAME=VALUE` pairs, later ones over earlier ones. Throws `config` naming `source` and the setting. */
export function parseAgentSettings(pairs: readonly string[], source = '--set'): Partial<AgentSettings> {
  return Object.assign({}, ...pairs.map(pair => parsePair(pair, source)));
}

function parsePair(pair: string, source: string): Partial<AgentSettings> {
  const at = pair.indexOf('=');
  if (at <= 0) throw new CoordinatorError('config', `${source}: "${pair}" is not NAME=VALUE`);
  const [name, text] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  const schema = Object.entries(AgentSettings.shape).find(([known]) => known === name)?.[1];
  if (!schema)
    throw new CoordinatorError('config', `${source}: an agent has no setting "${name}"`, {
      hint: `The settings are: ${Object.keys(AgentSettings.shape).join(', ')}.`,
    });
  // An empty text would count as 0.
  const parsed = schema.safeParse(text === '' ? Number.NaN : Number(text));
  if (parsed.success) return {[name]: parsed.data};
  const why = parsed.error.issues[0]?.message ?? 'invalid';
  throw new CoordinatorError('config', `${source}: ${name}: ${why}`, {hint: schema.description});
}
