/** What a person, a program and a test reporter are shown of a session, compared with stored text. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {stripVTControlCharacters} from 'node:util';
import {readSession, type SessionReport} from '../../../coordinator/client/report/sessionReport.ts';
import {finalLine} from '../../../coordinator/commands/report/finalLine.ts';
import {junitXml} from '../../../coordinator/commands/report/junit.ts';
import {liveFrame} from '../../../coordinator/commands/report/liveFrame.ts';
import {StateChanges} from '../../../coordinator/commands/report/stateChanges.ts';
import {summary} from '../../../coordinator/commands/report/summary.ts';
import {terminalColors, textWidth} from '../../../coordinator/commands/report/terminalText.ts';
import type {Row} from '../../../coordinator/protocol/commands/watch.ts';
import {assertGolden} from '../../golden.ts';
import {
  approvalRow,
  attemptRow,
  failedRows,
  greeterPlan,
  runningRows,
  SESSION,
  START,
  sessionRow,
  succeededRows,
  taskRow,
} from './sessionRows.ts';

const GOLDEN = fileURLToPath(new URL('../../testdata/reports/', import.meta.url));
const NOW = START + 41_000;
const plain = terminalColors(false);

const SCENES: Readonly<Record<string, () => Row[]>> = {
  running: runningRows,
  failed: failedRows,
  succeeded: succeededRows,
};

function reportOf(rows: readonly Row[]): SessionReport {
  const report = readSession(rows, SESSION, greeterPlan().plan);
  assert.ok(report);
  return report;
}

function golden(name: string, text: string): void {
  assertGolden(path.join(GOLDEN, name), text);
}

describe('reports of a task that was not done again', () => {
  const cached = {
    key: 'a'.repeat(64),
    attemptId: 's-before.hello.2',
    agentId: 'a-9',
    madeAt: START,
    activeMs: 61_000,
    costUsd: 0.25,
  };
  const id = 'hello';
  const rows = succeededRows()
    .filter(row => row.kind !== 'attempt' || row.attempt.taskId !== id)
    .map(row => (row.kind === 'task' && row.task.id === id ? {...row, task: {...row.task, cached}} : row));

  it('say so everywhere, and whose result it has', () => {
    const report = reportOf(rows);
    assert.ok(report.tasks.some(({record}) => record.id === id && record.cached));
    const from =
      /from the cache: what attempt s-before\.hello\.2 left on a-9 at .*; it took 61 s and \$0\.25 then/;
    const lines = new StateChanges().next(report, NOW);
    assert.match(lines.find(line => line.startsWith(`${id}: `)) ?? '', from);
    assert.match(junitXml(report, NOW), from);
    const frame = liveFrame(report, {wallNow: NOW, columns: 80, lines: 40, colors: plain});
    assert.match(frame.find(line => line.includes(id)) ?? '', /cached/);
    const final = JSON.parse(finalLine(report, NOW));
    assert.deepEqual(final.tasks.find((task: {id: string}) => task.id === id)?.cached, {
      attempt: 's-before.hello.2',
      madeAt: new Date(START).toISOString(),
    });
  });
});

describe('session reports', () => {
  for (const [scene, rows] of Object.entries(SCENES)) {
    it(`draw the live frame of a ${scene} session in 80 columns`, () => {
      const lines = liveFrame(reportOf(rows()), {wallNow: NOW, columns: 80, lines: 40, colors: plain});
      golden(`live.${scene}.txt`, `${lines.join('\n')}\n`);
      for (const line of lines) assert.ok(textWidth(line) <= 80, line);
    });

    it(`list the changes of a ${scene} session one a line`, () => {
      golden(`changes.${scene}.txt`, `${new StateChanges().next(reportOf(rows()), NOW).join('\n')}\n`);
    });

    it(`sum up a ${scene} session`, () => {
      golden(`summary.${scene}.txt`, summary(reportOf(rows()), {wallNow: NOW, columns: 80, colors: plain}));
    });

    it(`write the JUnit file of a ${scene} session`, () => {
      const xml = junitXml(reportOf(rows()), NOW);
      golden(`junit.${scene}.xml`, xml);
      assert.doesNotMatch(xml, /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u);
    });

    it(`write the last line of a ${scene} session`, () => {
      golden(
        `final.${scene}.json`,
        `${JSON.stringify(JSON.parse(finalLine(reportOf(rows()), NOW)), undefined, 2)}\n`,
      );
    });
  }

  it('say of a rehearsal in every form that no model was called', () => {
    const report = reportOf(succeededRows());
    const frame = liveFrame(report, {wallNow: NOW, columns: 80, lines: 40, colors: plain}).join('\n');
    const changes = new StateChanges().next(report, NOW).join('\n');
    const end = summary(report, {wallNow: NOW, columns: 80, colors: plain});
    for (const text of [frame, changes, end, junitXml(report, NOW)])
      assert.match(text, /no model was called/);
  });

  it('are undefined without the session itself', () => {
    assert.equal(readSession([taskRow('design')], SESSION), undefined);
  });

  it('pass over rows of other sessions', () => {
    const report = readSession(runningRows(), SESSION, greeterPlan().plan);
    const others = runningRows().map(row => structuredClone(row));
    for (const row of others) if (row.kind === 'task') row.task.sessionId = 's-other';
    const both = readSession(
      [...others.filter(row => row.kind === 'task'), ...runningRows()],
      SESSION,
      greeterPlan().plan,
    );
    assert.deepEqual(both, report);
  });

  it('order tasks by plan, a merge before its task and the result last', () => {
    const ids = reportOf(failedRows()).tasks.map(({record}) => record.id);
    assert.deepEqual(ids, ['design', 'hello', 'goodbye', 'lint', '_merge-join', 'join', 'docs']);
    assert.equal(reportOf(succeededRows()).tasks.at(-1)?.record.id, '_result');
  });

  it('leave the merge of the result out of the last line', () => {
    const {tasks} = JSON.parse(finalLine(reportOf(succeededRows()), NOW));
    assert.equal(tasks.length, 6);
    assert.deepEqual(Object.keys(JSON.parse(finalLine(reportOf(succeededRows()), NOW))), [
      'session',
      'status',
      'makespanMs',
      'tasks',
      'result',
    ]);
  });
});

describe('a live frame', () => {
  const many = (): SessionReport => {
    const states = ['succeeded', 'running', 'failed', 'ready', 'pending'] as const;
    const rows: Row[] = [
      sessionRow({
        counts: {total: 500, succeeded: 100, failed: 100, cancelled: 0, running: 100, waiting: 200},
      }),
    ];
    for (let index = 0; index < 500; index++) {
      const state = states[index % 5] ?? 'pending';
      rows.push(taskRow(`t${index}`, {state, attempts: 1}), attemptRow(`t${index}`, 1));
    }
    const report = readSession(rows, SESSION);
    assert.ok(report);
    return report;
  };

  it('never takes more lines or columns than it is given, and says what it left out', () => {
    for (const columns of [20, 40, 80, 200]) {
      for (const lines of [6, 10, 24, 100]) {
        const frame = liveFrame(many(), {wallNow: NOW, columns, lines, colors: plain});
        assert.ok(frame.length <= lines, `${frame.length} lines of ${lines}`);
        for (const line of frame) assert.ok(textWidth(line) <= Math.max(columns, 40), `${columns}: ${line}`);
        assert.match(frame.at(-1) ?? '', /… and /);
      }
    }
  });

  it('shows what runs before what is finished', () => {
    const frame = liveFrame(many(), {wallNow: NOW, columns: 80, lines: 24, colors: plain});
    assert.ok(frame.slice(2, -1).every(line => line.startsWith('●')));
  });

  it('lists at most five approvals and counts the rest', () => {
    const asks = Array.from({length: 8}, (_, index) =>
      approvalRow(`more-${index}`, 'hello', {
        kind: 'decision',
        subject: 'losses',
        message: 'lost three times',
      }),
    );
    const frame = liveFrame(reportOf([...runningRows(), ...asks]), {
      wallNow: NOW,
      columns: 80,
      lines: 50,
      colors: plain,
    });
    assert.equal(frame.at(-1), '? 4 more wait for you: mcpx approvals list');
  });

  it('cannot be steered by what tasks and approvals say', () => {
    const rows = [
      sessionRow({name: 'x\u001b[2J\u001b]0;title\u0007y\u202e'}),
      taskRow('hello', {state: 'failed', failure: {kind: 'exit', message: 'a\r\n\u001b[31mb\u009b1A'}}),
      approvalRow('ap-1', 'hello', {kind: 'permission', tool: 'Bash', input: {command: 'a\u001b[1A'}}),
    ];
    const report = readSession(rows, SESSION);
    assert.ok(report);
    const texts = [
      ...liveFrame(report, {wallNow: NOW, columns: 80, lines: 24, colors: plain}),
      ...new StateChanges().next(report, NOW),
      ...summary(report, {wallNow: NOW, columns: 80, colors: plain}).split('\n'),
    ];
    for (const text of texts) assert.doesNotMatch(text, /[\p{Cc}\u202e]/u, JSON.stringify(text));
  });

  it('has the same text with and without colours', () => {
    const report = reportOf(runningRows());
    const options = {wallNow: NOW, columns: 80, lines: 24};
    const coloured = liveFrame(report, {...options, colors: terminalColors(true)}).join('\n');
    assert.notEqual(coloured, stripVTControlCharacters(coloured));
    assert.equal(
      stripVTControlCharacters(coloured),
      liveFrame(report, {...options, colors: plain}).join('\n'),
    );
  });
});

describe('state changes', () => {
  it('say each change once', () => {
    const changes = new StateChanges();
    const report = reportOf(runningRows());
    assert.ok(changes.next(report, NOW).length > 5);
    assert.deepEqual(changes.next(report, NOW + 60_000), []);
    assert.deepEqual(
      changes.next(reportOf(failedRows()), NOW + 90_000).at(-1),
      `session ${SESSION} failed after 1m35s: hello failed: gate unit did not pass`,
    );
  });

  it('say what an attempt went on from, as the summary and the final line do', () => {
    const continued = {attemptId: `${SESSION}.hello.1`, agentId: 'a-1', calls: 7};
    const rows = runningRows().map(row =>
      row.kind === 'attempt' && row.attempt.taskId === 'hello'
        ? {...row, attempt: {...row.attempt, continued}}
        : row,
    );
    const text = 'continued from attempt 1 at tool call 7 on agent a-1';
    const report = reportOf(rows);
    assert.ok(new StateChanges().next(report, NOW).some(line => line.includes(text)));
    assert.ok(summary(report, {wallNow: NOW, columns: 120, colors: plain}).includes(text));
    assert.ok(finalLine(report, NOW).includes(JSON.stringify({continued}).slice(1, -1)));
  });
});
