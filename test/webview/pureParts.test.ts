/** What pages make of what they are told: transcripts, lanes, addresses, numbers, actions and series. */
import assert from 'node:assert/strict';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {pageHtml} from '../../extension/panels/pageHtml.ts';
import {Series} from '../../webview/health/series.ts';
import {troublesOf} from '../../webview/health/troubles.ts';
import {addressOf, pageAt, tokenIn} from '../../webview/host/address.ts';
import type {PageState} from '../../webview/messages.ts';
import {axisTime, lanesOf, tickStep} from '../../webview/session/lanes.ts';
import {brief, inlineParts, textParts, transcriptItems} from '../../webview/session/transcriptItems.ts';
import {bytes, dollars, duration} from '../../webview/shell/format.ts';
import {agentRecord} from '../tasks/nodes.ts';

function attempt(id: string, agentId: string, from: number, to?: number): AttemptRecord {
  const record = {
    v: 1,
    principal: 'agent:a',
    id: `s.${id}.1`,
    sessionId: 's',
    taskId: id,
    number: 1,
    agentId,
  };
  const state = to === undefined ? ('running' as const) : ('ended' as const);
  const rest = {agentIncarnation: 'i', coordinator: 'c', state, usage: NO_USAGE, refused: 0};
  return {...record, ...rest, assignedAt: from, startedAt: from, endedAt: to};
}

describe('lanes of a timeline', () => {
  it('are one an agent, with rows for what runs at once', () => {
    const lanes = lanesOf(
      [
        attempt('c', 'a-2', 5, 9),
        attempt('a', 'a-1', 0, 10),
        attempt('b', 'a-1', 4, 6),
        attempt('d', 'a-1', 10),
      ],
      20,
    );
    assert.deepEqual(
      lanes.map(({agentId, rows, bars}) => [
        agentId,
        rows,
        bars.map(bar => [bar.attempt.taskId, bar.row, bar.to]),
      ]),
      [
        [
          'a-1',
          2,
          [
            ['a', 0, 10],
            ['b', 1, 6],
            ['d', 0, 20],
          ],
        ],
        ['a-2', 1, [['c', 0, 9]]],
      ],
    );
  });

  it('stand on an axis that can be read', () => {
    assert.equal(tickStep(10, 70), 1000);
    assert.equal(axisTime(65_000, 5000), '1:05');
    assert.equal(axisTime(3_661_000, 60_000), '1:01:01');
    assert.equal(axisTime(1500, 500), '0:01.5');
  });
});

describe('items of a transcript', () => {
  it('fold a call and its result into one, and lines of a stream too', () => {
    const events: TranscriptEvent[] = [
      {kind: 'text', at: 1, role: 'assistant', text: 'hello'},
      {kind: 'toolCall', at: 2, id: 'x', name: 'Bash', input: {command: 'ls\n-l'}},
      {kind: 'output', at: 3, stream: 'stdout', text: 'a'},
      {kind: 'output', at: 4, stream: 'stdout', text: 'b'},
      {kind: 'output', at: 4, stream: 'stderr', text: 'c'},
      {kind: 'toolResult', at: 5, id: 'x', isError: true, text: 'no'},
      {kind: 'gap', at: 6, dropped: 3},
    ];
    const items = transcriptItems(events, 10);
    assert.deepEqual(
      items.map(({kind, seq}) => [kind, seq]),
      [
        ['said', 10],
        ['tool', 11],
        ['output', 12],
        ['output', 14],
        ['note', 16],
      ],
    );
    const [, tool, output] = items;
    assert.deepEqual(tool?.kind === 'tool' && [tool.brief, tool.result], [
      'ls -l',
      {kind: 'toolResult', at: 5, id: 'x', isError: true, text: 'no'},
    ]);
    assert.equal(output?.kind === 'output' && output.text, 'ab');
  });

  it('show a result whose call is before the window', () => {
    const items = transcriptItems([{kind: 'toolResult', at: 1, id: 'gone', isError: false, text: 'late'}], 5);
    assert.deepEqual(
      items.map(({kind}) => kind),
      ['output'],
    );
  });

  it('name the end of a long path', () => {
    const path = `/${'deep/'.repeat(20)}src/main.ts`;
    assert.match(brief({file_path: path}), /^….*\/src\/main\.ts$/);
    assert.ok(brief({file_path: path}).length < 60);
    assert.equal(brief({a: 1}), '{"a":1}');
  });

  it('tell code from text', () => {
    assert.deepEqual(textParts('one\n```js\nconst a = 1;\n```\ntwo'), [
      {kind: 'text', text: 'one'},
      {kind: 'code', text: 'const a = 1;'},
      {kind: 'text', text: 'two'},
    ]);
    assert.deepEqual(
      inlineParts('a `b` **c**').map(({kind}) => kind),
      ['plain', 'code', 'plain', 'bold'],
    );
  });
});

describe('addresses of a browser', () => {
  const states: PageState[] = [
    {page: 'home'},
    {page: 'health'},
    {page: 'graph', sessionId: 's-1', taskId: undefined},
    {page: 'graph', sessionId: 's-1', taskId: 'build'},
    {page: 'session', sessionId: 's-1', attemptId: 's-1.build.2'},
  ];
  for (const state of states)
    it(`lead back to the page (${addressOf(state)})`, () =>
      assert.deepEqual(pageAt(addressOf(state)), state));

  it('that name nothing are home', () => {
    for (const hash of ['', '#/graph', '#/graph/a b', '#/nowhere/x', '#token=x'])
      assert.deepEqual(pageAt(hash), {page: 'home'}, hash);
  });

  it('bring a token, also when the fragment was escaped whole', () => {
    assert.deepEqual(tokenIn('#token=abc&to=/graph/s'), {token: 'abc', to: '#/graph/s'});
    assert.deepEqual(tokenIn('#token%3Dabc%26to%3D/'), {token: 'abc', to: '#/'});
    assert.equal(tokenIn('#/graph/s'), undefined);
    assert.equal(tokenIn('#token='), undefined);
    assert.equal(tokenIn('#token%3Dabc%2'), undefined);
  });
});

describe('what is wrong with a fleet', () => {
  it('names a quarantine with its reason, until it is over', () => {
    const quarantine = {kind: 'quarantined', since: 1000, until: 5000, reason: '3 faults', strikes: 1};
    const row = {
      kind: 'agent' as const,
      id: 'a-1',
      online: true,
      agent: agentRecord('a-1', {}, {quarantine}),
    };
    const troubles = (now: number) =>
      troublesOf(undefined, [row], now).map(({level, what, about}) => [level, what.slice(0, 28), about]);
    assert.deepEqual(troubles(4999), [['error', 'Agent a-1 is in quarantine u', '3 faults']]);
    assert.deepEqual(troubles(5000), []);
  });
});

describe('numbers for people', () => {
  it('have as many digits as they need', () => {
    assert.deepEqual([12, 4250, 59_400, 185_000, 7_800_000].map(duration), [
      '12 ms',
      '4.3 s',
      '59 s',
      '3 min 05 s',
      '2 h 10 min',
    ]);
    assert.deepEqual([0, 0.0123, 1.5].map(dollars), ['$0.00', '$0.0123', '$1.50']);
    assert.deepEqual([0, 1023, 1536, 4 * 1024 ** 2].map(bytes), ['0 B', '1023 B', '1.5 KiB', '4.0 MiB']);
  });

  it('are kept in a series that forgets its beginning', () => {
    const series = new Series(2, 2);
    series.add(1000, [1, null]);
    series.add(2000, [2, 5]);
    series.add(3000, [3, 6]);
    assert.deepEqual(series.data, [
      [2, 3],
      [2, 3],
      [5, 6],
    ]);
    assert.equal(series.last(1), 6);
  });
});

describe('the document of a panel', () => {
  it('runs one script, and nothing that it does not name', () => {
    const html = pageHtml({
      cspSource: 'https://host',
      nonce: 'n0',
      scriptUri: 'https://host/page.js?a=1&b="2"',
      workerUri: 'https://host/worker.js',
      language: 'en',
    });
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /unsafe/);
    assert.equal(html.match(/<script/g)?.length, 1);
    assert.match(html, /nonce="n0" src="https:\/\/host\/page.js\?a=1&amp;b=&quot;2&quot;"/);
  });
});
