/** The `split` of a plan file's task: what it is divided over, and how the results of the parts become one. */
import * as z from 'zod';

/** Of one task. */
export const MAX_PARTS = 1000;

const pattern = z.string().min(1).max(256);

export const PlanSplit = z
  .strictObject({
    over: z
      .array(z.string().min(1).max(4096))
      .min(1)
      .max(10_000)
      .optional()
      .describe('A list: each of its items is a part, in MCPX_PART.'),
    files: z
      .union([pattern.transform(one => [one]), z.array(pattern).min(1).max(64)])
      .optional()
      .describe(
        'Patterns of files, such as "src/**/*.ts": each file that the task starts with is a part, in MCPX_PART.',
      ),
    shards: z
      .number()
      .int()
      .min(1)
      .max(MAX_PARTS)
      .optional()
      .describe(
        'Alone: so many parts, told apart by MCPX_PART_INDEX and MCPX_PART_COUNT. With over or files: at most so many, which share the items.',
      ),
    merge: z
      .union([
        z.enum(['git', 'json', 'concat']),
        z
          .strictObject({
            prompt: z.string().min(1).max(262_144).optional().describe('What Claude Code is asked to do.'),
            run: z.string().min(1).max(16_384).optional().describe('A shell command.'),
          })
          .refine(
            ({prompt, run}) => (prompt === undefined) !== (run === undefined),
            'keep one: "prompt" or "run"',
          ),
      ])
      .default('git')
      .describe(
        'How the parts become one result. git: their changes are merged. json, concat: so are the values that they leave in MCPX_RESULT, as JSON or as text. prompt or run: that does it, with the changes merged and the values in MCPX_INPUTS.',
      ),
  })
  .refine(({over, files}) => over === undefined || files === undefined, 'keep one: "over" or "files"')
  .refine(
    ({over, files, shards}) => over !== undefined || files !== undefined || shards !== undefined,
    'say what it is divided over: "over", "files" or "shards"',
  );
export type PlanSplit = z.infer<typeof PlanSplit>;
