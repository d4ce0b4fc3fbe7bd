/** Quality gates: what must hold before a result counts, what happens when it does not, and the evidence that is kept. */
import * as z from 'zod';
import {Sha256, WallTime} from './ids.ts';

export const GateFailurePolicy = z.enum(['fail', 'retry']);

export const QualityGateConfig = z.object({
  name: z.string().min(1).max(64),
  type: z.literal('command'),
  /** A shell command run in the attempt's worktree; exit code 0 passes. */
  command: z.string().min(1).max(16_384),
  /** `retry` starts the task again with the evidence in the prompt, while `retry.max` lasts. */
  onFailure: GateFailurePolicy,
  timeoutMs: z
    .number()
    .int()
    .positive()
    .max(24 * 3_600_000),
});
export type QualityGateConfig = z.infer<typeof QualityGateConfig>;

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
  passed: z.boolean(),
  exitCode: z.number().int().nullable(),
  /** The end of the output, at most 8 KiB. */
  output: z.string().max(8192),
  /** The whole output when it was longer. */
  artifact: Sha256.optional(),
  durationMs: z.number().nonnegative(),
  /** Set instead of a verdict when the gate could not be run. */
  error: z.string().max(2048).optional(),
  /** It has not passed, and counts as if it had. */
  waived: GateWaiver.optional(),
});
export type GateEvidence = z.infer<typeof GateEvidence>;
