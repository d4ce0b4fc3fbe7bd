/** A permission or a question of a running attempt that waits for a person, and the person's answer. */
import * as z from 'zod';
import {GatedChange} from './gate.ts';
import {WallTime} from './ids.ts';

export const PermissionRequest = z.object({
  kind: z.literal('permission'),
  tool: z.string().max(256),
  input: z.json(),
  reason: z.string().max(4096).optional(),
});

export const QuestionRequest = z.object({
  kind: z.literal('question'),
  questions: z
    .array(
      z.object({
        question: z.string().max(4096),
        header: z.string().max(256).optional(),
        multiSelect: z.boolean(),
        options: z
          .array(z.object({label: z.string().max(512), description: z.string().max(2048).optional()}))
          .max(32),
      }),
    )
    .min(1)
    .max(16),
});

/** A person is asked to decide about a task that the lead will not decide alone, such as one at its cap of losses, or one whose gate that is. */
export const DecisionRequest = z.object({
  kind: z.literal('decision'),
  subject: z.enum(['losses', 'onLost', 'budget', 'gate']),
  message: z.string().max(4096),
  /** For `gate`: its name, and what the attempt says that it did and has changed. */
  gate: z.string().max(64).optional(),
  summary: z.string().max(8192).optional(),
  change: GatedChange.optional(),
});

export const ApprovalRequest = z.discriminatedUnion('kind', [
  PermissionRequest,
  QuestionRequest,
  DecisionRequest,
]);
export type ApprovalRequest = z.infer<typeof ApprovalRequest>;

export const ApprovalAnswer = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('allow'),
    updatedInput: z.json().optional(),
    scope: z.enum(['once', 'session']).optional(),
  }),
  z.object({kind: z.literal('deny'), message: z.string().max(4096).optional()}),
  z.object({kind: z.literal('answers'), answers: z.record(z.string().max(4096), z.string().max(16_384))}),
]);
export type ApprovalAnswer = z.infer<typeof ApprovalAnswer>;

export const ApprovalState = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('waiting')}),
  z.object({kind: z.literal('answered'), answer: ApprovalAnswer, by: z.string().max(256), at: WallTime}),
  /** The attempt ended before anybody answered. */
  z.object({kind: z.literal('withdrawn'), at: WallTime}),
]);
export type ApprovalState = z.infer<typeof ApprovalState>;
