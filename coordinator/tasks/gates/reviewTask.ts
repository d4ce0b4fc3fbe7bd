/** The task by which another agent reviews what an attempt left, and the evidence that its verdict makes. Pure. */
import * as z from 'zod';
import {type GateEvidence, type ReviewGate, ReviewVerdict} from '../../protocol/gate.ts';
import type {AttemptSubject, TaskResult} from '../../protocol/model/task.ts';
import {PLAN_DEFAULTS, type TaskSpecification} from '../../protocol/plan/plan.ts';
import {boundedText} from '../deciding/evidence.ts';
import type {TaskNode} from '../fleet/fleet.ts';

const ASKED_CHARS = 16_000;
const SUMMARY_CHARS = 4000;
const OUTPUT_CHARS = 8000;

const VERDICT_SCHEMA = verdictSchema();

/** `number` tells the reviews of one task apart, from 1. */
export function reviewTaskId(taskId: string, number: number): string {
  return `_review${number === 1 ? '' : number}-${taskId}`;
}

/** The gate's own review task. */
export function reviewTaskIdOf({id, gates}: TaskSpecification, gate: ReviewGate): string {
  const reviews = gates.filter(one => one.type === 'review');
  return reviewTaskId(id, reviews.findIndex(one => one.name === gate.name) + 1);
}

/** On another agent than the one that did the work. */
export function reviewTask(
  subject: TaskSpecification,
  gate: ReviewGate,
  {from, to}: AttemptSubject,
  result: TaskResult,
): TaskSpecification {
  return {
    id: reviewTaskIdOf(subject, gate),
    title: `Review of ${subject.id}`,
    work: {
      kind: 'prompt',
      prompt: reviewPrompt(subject, gate, result),
      model: gate.model,
      permissions: {
        mode: 'dontAsk',
        allow: ['Read', 'Grep', 'Glob', 'Bash(git diff:*)', 'Bash(git log:*)', 'Bash(git show:*)'],
        deny: ['Edit', 'Write', 'NotebookEdit'],
      },
      resultSchema: VERDICT_SCHEMA,
      ...(from !== undefined && to !== undefined ? {diff: {from, to}} : {}),
    },
    dependsOn: [],
    requires: {},
    affinity: [{kind: 'apart', with: [subject.id], strength: 'require'}],
    gates: [],
    retry: {...PLAN_DEFAULTS.retry, max: 2},
    timeoutMs: gate.timeoutMs,
    priority: subject.priority,
    onLost: 'rerun',
    maxLosses: PLAN_DEFAULTS.maxLosses,
    env: {},
    secrets: [],
    keepConflicts: false,
  };
}

/** `review` is at its end. */
export function reviewEvidence(
  gate: ReviewGate,
  {record, lastAgent}: TaskNode,
  durationMs: number,
): GateEvidence {
  const base = {gate: gate.name, type: gate.type, exitCode: null, durationMs} as const;
  const unable = (error: string): GateEvidence => ({
    ...base,
    passed: false,
    output: '',
    error: error.slice(0, 2048),
  });
  if (record.state !== 'succeeded')
    return unable(`the review was not done: ${record.failure?.message ?? record.state}`);
  const verdict = ReviewVerdict.safeParse(record.result?.value);
  if (!verdict.success) return unable('the reviewer left no verdict');
  const {passed, findings} = verdict.data;
  const lines = findings.map(({severity, file, line, message}) => {
    const place = file === undefined ? '' : ` ${file}${line === undefined ? '' : `:${line}`}`;
    return `- ${severity}${place}: ${message}`;
  });
  return {...base, passed, output: boundedText(lines.join('\n'), OUTPUT_CHARS), judge: lastAgent?.id};
}

function reviewPrompt({id, title, work}: TaskSpecification, gate: ReviewGate, {summary}: TaskResult): string {
  const asked =
    work.kind === 'prompt'
      ? `It was asked:\n${work.prompt.slice(0, ASKED_CHARS)}`
      : work.kind === 'run'
        ? `It ran the command: ${work.command.slice(0, ASKED_CHARS)}`
        : 'It merged the results of other tasks.';
  return [
    `Review what another instance did for task "${id}"${title === undefined ? '' : ` (${title})`}. Your worktree holds its result.`,
    asked,
    ...(summary === '' ? [] : [`It says of its result:\n${summary.slice(0, SUMMARY_CHARS)}`]),
    ...(gate.prompt === undefined ? [] : [`Look at this above all:\n${gate.prompt}`]),
    [
      'Judge whether the result does what was asked, correctly and without harm. Change nothing.',
      'Your verdict has `passed` and `findings`. `passed` is false only when something must be mended before the result counts; name each such thing as a finding with its file and line, so that its author can mend it without asking.',
    ].join('\n'),
  ].join('\n\n');
}

function verdictSchema(): Record<string, z.core.util.JSONType> {
  const {$schema: _, ...schema} = z.toJSONSchema(ReviewVerdict, {target: 'draft-7'});
  return z.record(z.string(), z.json()).parse(schema);
}
