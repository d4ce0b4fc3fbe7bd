/** A session as Markdown, and its gates as the Test Explorer lists them. */
import assert from 'node:assert/strict';
import {readSession} from '../../coordinator/client/report/sessionReport.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import {reportMarkdown} from '../../extension/documents/reportMarkdown.ts';
import {gatedTasks} from '../../extension/gateRows.ts';
import {failedRows, greeterPlan, runningRows, SESSION, START} from '../commands/report/sessionRows.ts';

const {plan} = greeterPlan();

describe('a report in Markdown', () => {
  const report = readSession(failedRows(), SESSION, plan);
  assert.ok(report);
  const text = reportMarkdown(report, START + 41_000);
  const rows = text.split('\n').filter(line => line.startsWith('| '));

  it('has a row for each task, with as many cells as the head', () => {
    assert.equal(rows.length, report.tasks.length + 1);
    const cells = (row: string): number => row.replaceAll('\\|', '').split('|').length;
    for (const row of rows) assert.equal(cells(row), cells(rows[0] ?? ''), row);
  });

  it('tells the state and the failures', () => {
    assert.match(text, new RegExp(`^- Session: \`${SESSION}\`, failed$`, 'm'));
    const failed = report.tasks.find(({record}) => record.state === 'failed');
    assert.ok(failed?.record.failure);
    assert.ok(text.includes(failed.record.failure.message));
  });

  it('is not broken by what names and messages hold', () => {
    const nasty = {...report, session: {...report.session, name: 'a | b\n# <c>', failure: '`x`'}};
    const lines = reportMarkdown(nasty, START).split('\n');
    assert.equal(lines[0], '# a \\| b \\# \\<c\\>');
    assert.ok(lines.includes('- Failed: \\`x\\`'));
  });
});

const GATED = `name: gated
workspace: none
gates: [{name: whole, command: "true"}]
tasks:
  - {id: hello, run: "true", title: Say hello, gates: [{name: unit, command: a}, {name: lint, command: b}]}
  - {id: docs, run: "true"}
`;

describe('gates of a session', () => {
  const parsed = parsePlan(GATED);
  assert.ok(parsed.kind === 'plan', JSON.stringify(parsed));
  const tasks = (gates?: TaskRecord['gates']): TaskRecord[] =>
    runningRows().flatMap(row =>
      row.kind !== 'task' ? [] : [row.task.id === 'hello' ? {...row.task, gates} : row.task],
    );
  const evidence = (passed: boolean) => ({
    gate: 'unit',
    passed,
    exitCode: passed ? 0 : 1,
    output: '',
    durationMs: 5,
  });

  it('are those of the plan, task by task, the result last, with their evidence', () => {
    const listed = gatedTasks(tasks([evidence(false)]), parsed.plan);
    assert.deepEqual(
      listed.map(({taskId, title, gates}) => [taskId, title, gates.map(gate => gate.evidence?.passed)]),
      [
        ['hello', 'Say hello', [false, undefined]],
        ['_result', undefined, [undefined]],
      ],
    );
    assert.deepEqual(
      listed.map(({gates}) => gates.map(({name}) => name)),
      [['unit', 'lint'], ['whole']],
    );
  });

  it('have no verdict before they ran, and another one when they ran again', () => {
    const verdict = (gates?: TaskRecord['gates']) => gatedTasks(tasks(gates), parsed.plan)[0]?.verdict;
    assert.equal(verdict(), '');
    assert.ok(verdict([evidence(true)]));
    assert.notEqual(verdict([evidence(true)]), verdict([evidence(false)]));
  });
});
