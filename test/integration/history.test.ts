/** The past of a session whose coordinator was killed in the middle of it, with a store that remembers little: whole, and what a client saw then. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {SessionPast} from '../../coordinator/client/history.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {Fleet} from '../support/fleet.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {BUNDLE} from '../support/verbProcess.ts';

const PATIENCE_MS = 60_000;
const SEEN_KINDS: ReadonlySet<string> = new Set(['session', 'task', 'attempt', 'ref', 'refusal']);
const run = promisify(execFile);

const PLAN = JSON.stringify({
  name: 'chain',
  workspace: 'none',
  tasks: Array.from({length: 12}, (_, at) => ({
    id: `task-${at}`,
    run: `echo ${at}; sleep 0.2`,
    ...(at >= 2 && {dependsOn: [`task-${at - 2}`]}),
  })),
});

describe('the history of a session', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.start({settings: {historyRevisions: 60, historySealMs: 300}});
    await fleet.startAgent({id: 'agent-1', args: ['--claude', 'off']});
    await fleet.whenOnline(['agent-1']);
  });
  after(() => fleet.close());

  it('is complete after kill -9 of the coordinator, and equal to what was seen while it happened', async () => {
    const session = await SessionRun.start(fleet, {plan: PLAN});
    const seen = new Map<number, ReadonlyMap<string, Row>>();
    const watch = session.client.watch({view: 'session', sessionId: session.id}, update => {
      if (update.kind !== 'failed') seen.set(update.cursor.revision, new Map(watch.rows));
    });
    await session.until(
      ({tasks}) => (tasks.get('task-3')?.state === 'succeeded' ? true : undefined),
      PATIENCE_MS,
      'some tasks to succeed',
    );
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    const ended = await session.ended(PATIENCE_MS);
    assert.equal(ended.state, 'succeeded', session.describe());

    const client = await fleet.connect();
    const past = new SessionPast({client, sessionId: session.id, maxStates: 1000});
    await past.refresh();
    assert.ok(
      past.marks.every(({kind}) => kind !== 'gap'),
      'nothing was missed',
    );
    assert.deepEqual(
      past.marks.filter(({kind, id}) => kind === 'task' && id === 'task-5').map(({state}) => state),
      ['pending', 'ready', 'assigned', 'running', 'verifying', 'succeeded'].filter(state =>
        past.marks.some(mark => mark.id === 'task-5' && mark.state === state),
      ),
    );
    assert.ok(seen.size > 10, `${seen.size} states were seen`);
    for (const [revision, rows] of seen) {
      const state = await past.stateAt(revision);
      const shown = new Map([...state.rows].filter(([, row]) => SEEN_KINDS.has(row.kind)));
      assert.deepEqual(shown, rows, `at ${revision}`);
    }
    const first = past.marks[0];
    assert.ok(first && first.at >= ended.createdAt && first.at - ended.createdAt < PATIENCE_MS);
    const {transcripts} = await past.stateAt(past.knownTo);
    assert.ok((transcripts.get(`${session.id}.task-0.1`) ?? 0) > 0, 'a transcript was durable');
    watch.dispose();
    session.dispose();
  });

  it('is shown on the command line', async () => {
    const client = await fleet.connect();
    const {url, token} = fleet.endpoint;
    const history = async (...args: string[]): Promise<string> => {
      const env = {...process.env, MCPX_TOKEN: token, MCPX_HOME: fleet.folder};
      const {stdout} = await run(
        process.execPath,
        [BUNDLE, 'sessions', 'history', 'last', '--connect', url, ...args],
        {env},
      );
      return stdout;
    };
    const lines = (await history()).trimEnd().split('\n');
    const running = lines.find(line => line.endsWith('task-3  running') || line.endsWith('task-3  assigned'));
    assert.ok(
      lines.some(line => /^ +\d+ {2}20\d\d-\S+ {2}session {3}s-\S+ {2}running$/.test(line)),
      lines.join('\n'),
    );
    assert.ok(running, lines.join('\n'));
    const then = await history('--at', running.trim().split(' ')[0] ?? '');
    assert.match(then, /^revision \d+, last change at \S+\ns-\S+ {2}running {2}chain\n/);
    assert.match(then, /^ {2}task-1 +succeeded +1$/m);
    assert.match(then, /^ {2}task-11 +pending +0$/m);
    client.dispose();
  });
});
