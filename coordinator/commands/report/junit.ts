/** The end of a session for test reporters: JUnit XML, one case a task. Pure. */

import {REHEARSAL_NOTICE} from '../../agent/rehearsal/script.ts';
import {cachedText} from '../../client/report/cachedText.ts';
import {gateVerdict} from '../../client/report/gateQuestion.ts';
import {
  makespanMs,
  type SessionReport,
  type TaskReport,
  taskDurationMs,
} from '../../client/report/sessionReport.ts';
import type {FailureKind} from '../../protocol/model/task.ts';
import {failedGates, failureText, outcomeText} from './taskText.ts';

/** The work's own failures; what else goes wrong is an error of the surroundings. */
const FAILURES: ReadonlySet<FailureKind> = new Set([
  'exit',
  'gate',
  'timeout',
  'deadline',
  'budget',
  'conflict',
  'maxTurns',
  'refused',
  'dependency',
]);

export function junitXml(report: SessionReport, wallNow: number): string {
  const {session, tasks} = report;
  const cases = tasks.map(task => ({task, verdict: verdictOf(task)}));
  const count = (kind: string): number => cases.filter(({verdict}) => verdict.kind === kind).length;
  const totals = attributes({
    name: session.name,
    tests: cases.length,
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
    time: seconds(makespanMs(report, wallNow)),
  });
  const properties = {
    'mcpx.session': session.id,
    'mcpx.status': session.state,
    'mcpx.costUsd': session.spentUsd.toFixed(4),
    ...(session.result
      ? {'mcpx.result.branch': session.result.branch, 'mcpx.result.commit': session.result.commit}
      : {}),
    ...(session.rehearsal ? {'mcpx.rehearsal': REHEARSAL_NOTICE} : {}),
  };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${totals}>`,
    `  <testsuite${totals}${attributes({id: session.id, timestamp: new Date(session.createdAt).toISOString()})}>`,
    '    <properties>',
    ...Object.entries(properties).map(([name, value]) => `      <property${attributes({name, value})}/>`),
    '    </properties>',
    ...cases.flatMap(({task, verdict}) => testcase(session.name, task, verdict)),
    ...(session.failure === undefined ? [] : [`    <system-err>${escapeXml(session.failure)}</system-err>`]),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

type Verdict =
  | {readonly kind: 'passed'}
  | {readonly kind: 'skipped'; readonly message: string}
  | {
      readonly kind: 'failure' | 'error';
      readonly type: string;
      readonly message: string;
      readonly text: string;
    };

function verdictOf({record}: TaskReport): Verdict {
  if (record.state === 'succeeded') return {kind: 'passed'};
  if (record.state !== 'failed') return {kind: 'skipped', message: record.state};
  const {failure} = record;
  const gates = failedGates(record).map(gate => {
    return `gate ${gate.gate}: ${gateVerdict(gate)}\n${gate.output}`;
  });
  const conflict = failure?.conflict ? [`conflicting paths:\n${failure.conflict.paths.join('\n')}`] : [];
  return {
    kind: failure && !FAILURES.has(failure.kind) ? 'error' : 'failure',
    type: failure?.kind ?? 'unknown',
    message: failure ? failureText(failure) : 'failed',
    text: [...gates, ...conflict].join('\n') || (failure?.message ?? ''),
  };
}

function testcase(suite: string, task: TaskReport, verdict: Verdict): string[] {
  const time = seconds(taskDurationMs(task) ?? 0);
  const open = `    <testcase${attributes({classname: suite, name: task.record.id, time})}>`;
  const inside: string[] = [];
  if (verdict.kind === 'skipped') inside.push(`      <skipped${attributes({message: verdict.message})}/>`);
  else if (verdict.kind !== 'passed') {
    const {kind, message, type, text} = verdict;
    inside.push(`      <${kind}${attributes({message, type})}>${escapeXml(text)}</${kind}>`);
  }
  const attempts = task.attempts.map(
    attempt =>
      `attempt ${attempt.number} on ${attempt.agentId}: ${outcomeText(attempt)}${attempt.failure ? ` (${failureText(attempt.failure)})` : ''}`,
  );
  if (task.record.cached) attempts.push(cachedText(task.record.cached));
  if (attempts.length > 0) inside.push(`      <system-out>${escapeXml(attempts.join('\n'))}</system-out>`);
  return [open, ...inside, '    </testcase>'];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeXml(String(value)).replaceAll(/[\n\r\t]/g, ' ')}"`)
    .join('');
}

/** XML 1.0 has no way to write most control characters, lone surrogates and U+FFFE and U+FFFF: they are left out. */
function escapeXml(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: it removes colours
      .replaceAll(/\x1b\[[0-9;:?]*[ -/]*[@-~]/g, '')
      .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
      .replaceAll(/[\x7f-\x84\x86-\x9f]/g, '')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  );
}
