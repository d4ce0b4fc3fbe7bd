/** Quality gates: what must hold before a result counts, what happens when it does not, and the evidence that is kept. */
import * as z from 'zod';
import {CommitId, Sha256, WallTime} from './ids.ts';

/** `rollback`: the task fails, and what its rollback strategy says is undone. */
export const GateFailurePolicy = z.enum(['fail', 'retry', 'rollback']);
export type GateFailurePolicy = z.infer<typeof GateFailurePolicy>;

export const GATE_TYPES = ['command', 'schema', 'threshold', 'review', 'approval'] as const;
export type GateType = (typeof GATE_TYPES)[number];

const common = {
  name: z.string().min(1).max(64),
  /** `retry` starts the task again with the evidence in the prompt, while `retry.max` lasts. */
  onFailure: GateFailurePolicy,
};
const timeoutMs = z
  .number()
  .int()
  .positive()
  .max(24 * 3_600_000);
const command = z.string().min(1).max(16_384);
/** Relative to the root of the worktree. */
const file = z.string().min(1).max(4096);

const CommandGate = z.object({
  ...common,
  type: z.literal('command'),
  /** A shell command run in the attempt's worktree; exit code 0 passes. */
  command,
  timeoutMs,
});

const SchemaGate = z.object({
  ...common,
  type: z.literal('schema'),
  /** A JSON Schema of draft 7 or 2020-12, or the file that holds one. */
  schema: z.union([z.record(z.string(), z.json()), file]),
  /** The JSON file that it is about; without one, the structured result of the task. */
  file: file.optional(),
  timeoutMs,
});

export const REPORT_FORMATS = [
  'auto',
  'lcov',
  'cobertura',
  'json-summary',
  'eslint',
  'sarif',
  'checkstyle',
] as const;
export const ReportFormat = z.enum(REPORT_FORMATS);
export type ReportFormat = z.infer<typeof ReportFormat>;

export const THRESHOLD_METRICS = [
  'lines',
  'branches',
  'functions',
  'statements',
  'errors',
  'warnings',
  'problems',
] as const;
/** The first four are percent of a coverage report, the others count what a linter found. */
export const ThresholdMetric = z.enum(THRESHOLD_METRICS);
export type ThresholdMetric = z.infer<typeof ThresholdMetric>;

const ThresholdGate = z.object({
  ...common,
  type: z.literal('threshold'),
  /** Runs first, whatever its exit code; its output is read where there is no report. */
  command: command.optional(),
  report: z.object({file, format: ReportFormat, metric: ThresholdMetric}).optional(),
  /** A regular expression whose first group, or the whole match, is the number. The last match counts. */
  pattern: z.string().min(1).max(1024).optional(),
  /** A JSON pointer (RFC 6901) to the number in JSON output. */
  pointer: z.string().max(1024).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  timeoutMs,
});

const ReviewGate = z.object({
  ...common,
  type: z.literal('review'),
  /** What the reviewer is to look at beside the change itself. */
  prompt: z.string().min(1).max(65_536).optional(),
  model: z.string().max(128).optional(),
  /** Of the reviewer's work. */
  timeoutMs,
});
export type ReviewGate = z.infer<typeof ReviewGate>;

const ApprovalGate = z.object({
  ...common,
  type: z.literal('approval'),
  /** What the person is asked. */
  message: z.string().min(1).max(2048).optional(),
  /** Nobody having answered so long after the question counts as a no. Absent: it waits. */
  timeoutMs: z
    .number()
    .int()
    .positive()
    .max(30 * 24 * 3_600_000)
    .optional(),
});
export type ApprovalGate = z.infer<typeof ApprovalGate>;

export const QualityGateConfig = z.discriminatedUnion('type', [
  CommandGate,
  SchemaGate,
  ThresholdGate,
  ReviewGate,
  ApprovalGate,
]);
export type QualityGateConfig = z.infer<typeof QualityGateConfig>;

/** What the reviewer answers. */
export const ReviewVerdict = z.object({
  passed: z.boolean(),
  findings: z
    .array(
      z.object({
        severity: z.enum(['blocker', 'major', 'minor']),
        file: z.string().max(4096).optional(),
        line: z.number().int().positive().optional(),
        message: z.string().max(4096),
      }),
    )
    .max(100),
});
export type ReviewVerdict = z.infer<typeof ReviewVerdict>;

/** What an attempt changed, for whoever judges it. */
export const GatedChange = z.object({
  /** Absent where there is no repository. */
  from: CommitId.optional(),
  to: CommitId.optional(),
  files: z.number().int().nonnegative(),
  /** Paths with what became of them, one a line, at most 4 KiB. */
  summary: z.string().max(4096),
});
export type GatedChange = z.infer<typeof GatedChange>;

/** A person accepts a result although a gate failed or never ended. */
export const GateWaiver = z.object({
  reason: z.string().trim().min(1).max(1024),
  /** The principal. */
  by: z.string().max(256),
  at: WallTime,
});
export type GateWaiver = z.infer<typeof GateWaiver>;

export const GateEvidence = z.object({
  gate: z.string().max(64),
  /** Absent: a command. */
  type: z.enum(GATE_TYPES).optional(),
  passed: z.boolean(),
  exitCode: z.number().int().nullable(),
  /** The end of the output, at most 8 KiB; of a review its findings, of an approval what the person said. */
  output: z.string().max(8192),
  /** The whole output when it was longer. */
  artifact: Sha256.optional(),
  durationMs: z.number().nonnegative(),
  /** Of a threshold. */
  measured: z.number().optional(),
  /** Who judged: the principal that answered, or the agent that reviewed. */
  judge: z.string().max(256).optional(),
  /** Set instead of a verdict when the gate could not be run. */
  error: z.string().max(2048).optional(),
  /** It has not passed, and counts as if it had. */
  waived: GateWaiver.optional(),
});
export type GateEvidence = z.infer<typeof GateEvidence>;
