/** Every limit and period of an agent, with its default and what it means. Where the agent works and for whom is agentOptions.ts. */
import * as z from 'zod';

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
  metricsMs: count().default(10_000).describe('Period of the metrics report.'),
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
  setupTimeoutMs: count().default(1_800_000).describe('Longest run of one set-up command of a workspace.'),
  rememberedAttempts: count()
    .default(20_000)
    .describe('Ended attempts remembered, so that an assignment sent twice is not run twice.'),
  stopTimeoutMs: ms()
    .default(30_000)
    .describe('Stopping waits this long for running attempts and for the hub to take what is finished.'),
});
export type AgentSettings = z.infer<typeof AgentSettings>;

export const DEFAULT_AGENT_SETTINGS: AgentSettings = AgentSettings.parse({});
