/** Gates as a plan file writes them, and what becomes of them when every default is filled in. */
import * as z from 'zod';
import {type QualityGateConfig, ReportFormat, ThresholdMetric} from '../gate.ts';
import {Duration} from './duration.ts';

const command = z.string().min(1).max(16_384);
const file = z
  .string()
  .min(1)
  .max(4096)
  .refine(name => !name.startsWith('/') && !name.split(/[\\/]/).includes('..'), 'a path inside the worktree');

const common = {
  name: z.string().min(1).max(64).optional().describe('What its evidence is kept under.'),
  onFailure: z
    .enum(['fail', 'retry', 'rollback'])
    .default('retry')
    .describe(
      'fail: the task fails. retry: the task runs again and its prompt carries the evidence, while retry.max lasts. rollback: it fails, and what the rollback of the task says is undone.',
    ),
};
const timeout = Duration.default(600_000).describe('Longest run of the gate.');

const regularExpression = z
  .string()
  .min(1)
  .max(1024)
  .refine(isRegularExpression, 'not a regular expression of JavaScript');

const CommandGate = z.strictObject({
  type: z.literal('command').optional().describe('A shell command; the default.'),
  ...common,
  command: command.describe('A shell command in the worktree; exit code 0 passes.'),
  timeout,
});

const SchemaGate = z.strictObject({
  type: z.literal('schema').describe('The result, or a file, must fit a JSON Schema.'),
  ...common,
  schema: z
    .union([z.record(z.string(), z.json()), file])
    .describe('A JSON Schema (draft 7 or 2020-12), or the file in the worktree that holds it.'),
  file: file
    .optional()
    .describe('The JSON file that must fit; without one, the structured result of the task.'),
  timeout,
});

const ThresholdGate = z
  .strictObject({
    type: z.literal('threshold').describe('A number must be within bounds: coverage, findings of a linter.'),
    ...common,
    command: command.optional().describe('Runs first, whatever its exit code, such as "npm run coverage".'),
    report: file.optional().describe('A report in the worktree: of coverage, or of a linter.'),
    format: ReportFormat.default('auto').describe('Of the report; auto looks at its content.'),
    metric: ThresholdMetric.optional().describe(
      'lines, branches, functions, statements: percent of a coverage report; errors, warnings, problems: counts of a linter. Default: lines or problems.',
    ),
    pattern: regularExpression
      .optional()
      .describe('Finds the number in the output of the command: its first group; the last match counts.'),
    pointer: z
      .string()
      .max(1024)
      .regex(/^(?:\/.*)?$/, 'a JSON pointer begins with "/"')
      .optional()
      .describe('Where the number is in the JSON that the command prints, such as "/total/lines/pct".'),
    min: z.number().optional().describe('The least that passes.'),
    max: z.number().optional().describe('The most that passes.'),
    timeout,
  })
  .refine(({min, max}) => min !== undefined || max !== undefined, 'a threshold needs "min", "max" or both')
  .refine(
    ({report, command: run, pattern, pointer}) =>
      [report, pattern, pointer].filter(source => source !== undefined).length === 1 &&
      (report !== undefined || run !== undefined),
    'a threshold reads its number from one place: a "report", or the output of its "command" by "pattern" or "pointer"',
  );

const ReviewGate = z.strictObject({
  type: z.literal('review').describe('Claude Code on another agent than the author reads the change.'),
  ...common,
  prompt: z.string().min(1).max(65_536).optional().describe('What the reviewer is to look at above all.'),
  model: z.string().min(1).max(128).optional().describe('Model of the reviewer.'),
  timeout: Duration.default(1_800_000).describe('Longest work of the reviewer.'),
});

const ApprovalGate = z.strictObject({
  type: z.literal('approval').describe('A person answers, who sees a summary of the change.'),
  ...common,
  message: z.string().min(1).max(2048).optional().describe('What the person is asked.'),
  timeout: Duration.optional().describe('No answer for so long counts as a no; without it, it waits.'),
});

export const PlanGate = z.union([
  command.describe('A shell command in the worktree; exit code 0 passes.'),
  z.discriminatedUnion('type', [CommandGate, SchemaGate, ThresholdGate, ReviewGate, ApprovalGate]),
]);
export type PlanGate = z.infer<typeof PlanGate>;

/** `owner` is the id of the task. The evidence of a gate is kept under its name. */
export function gateName(gate: PlanGate, index: number, owner: string): string {
  const given = typeof gate === 'string' ? undefined : gate.name;
  return given ?? `${owner}-gate-${index + 1}`.slice(-64);
}

export function resolveGate(gate: PlanGate, index: number, owner: string): QualityGateConfig {
  const name = gateName(gate, index, owner);
  if (typeof gate === 'string')
    return {name, type: 'command', command: gate, onFailure: 'retry', timeoutMs: 600_000};
  const {onFailure} = gate;
  switch (gate.type) {
    case undefined:
    case 'command':
      return {name, type: 'command', command: gate.command, onFailure, timeoutMs: gate.timeout};
    case 'schema':
      return {name, type: 'schema', schema: gate.schema, file: gate.file, onFailure, timeoutMs: gate.timeout};
    case 'threshold': {
      const {command: run, report, format, metric, pattern, pointer, min, max, timeout: timeoutMs} = gate;
      const read =
        report === undefined ? undefined : {file: report, format, metric: metric ?? metricOf(format)};
      return {
        name,
        type: 'threshold',
        command: run,
        report: read,
        pattern,
        pointer,
        min,
        max,
        onFailure,
        timeoutMs,
      };
    }
    case 'review':
      return {
        name,
        type: 'review',
        prompt: gate.prompt,
        model: gate.model,
        onFailure,
        timeoutMs: gate.timeout,
      };
    case 'approval':
      return {name, type: 'approval', message: gate.message, onFailure, timeoutMs: gate.timeout};
  }
}

function metricOf(format: ReportFormat): ThresholdMetric {
  return format === 'eslint' || format === 'sarif' || format === 'checkstyle' ? 'problems' : 'lines';
}

function isRegularExpression(text: string): boolean {
  try {
    new RegExp(text, 'gm');
    return true;
  } catch {
    return false;
  }
}
