/** A backup with real agents: one of them is stopped in the middle of its attempt, the other one wins, and everything has happened once. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {Fleet} from '../support/fleet.ts';
import {processesWith, signal} from '../support/machine.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 90_000;

/** The first attempt waits in the middle; each says in shared memory who it is. */
function plan(gateway: string): string {
  const tell = `node -e "fetch(process.env.MCPX_MEMORY+'/winner',{method:'PUT',headers:{authorization:'Bearer '+process.env.MCPX_MEMORY_TOKEN},body:JSON.stringify(process.env.MCPX_ATTEMPT_ID)})"`;
  return JSON.stringify({
    name: 'slow',
    workspace: 'none',
    tasks: [
      {
        id: 'work',
        estimate: '1s',
        speculate: true,
        run: `if mkdir ${gateway}/first; then until test -e ${gateway}/open; do sleep 0.1; done; fi; echo "{\\"by\\":\\"$MCPX_ATTEMPT_ID\\"}" > "$MCPX_RESULT"; ${tell}`,
      },
    ],
  });
}

describe('a backup of a straggler', function () {
  this.timeout(240_000);
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.start();
  });
  afterEach(() => fleet.close());

  it('wins over an agent that is stopped, whose late work counts for nothing', async () => {
    const gateway = path.join(fleet.folder, 'gateway');
    mkdirSync(gateway);
    const slow = await fleet.startAgent({id: 'slow', slots: 1, args: ['--claude', 'off']});
    await fleet.whenOnline(['slow']);
    const run = await SessionRun.start(fleet, {plan: plan(gateway)});
    const first = await run.running('work', PATIENCE_MS);
    const isAtWork = () => existsSync(path.join(gateway, 'first')) || undefined;
    await found(isAtWork, PATIENCE_MS, 'the work of the first attempt');
    signal(slow.process.pid, 'SIGSTOP');
    await fleet.startAgent({id: 'quick', slots: 1, args: ['--claude', 'off']});
    const session = await run.ended(PATIENCE_MS);
    assert.equal(session.state, 'succeeded');
    assert.deepEqual(session.speculation, {begun: 1, won: 1, spentUsd: 0});

    // What was stopped wakes, with its work done.
    writeFileSync(path.join(gateway, 'open'), '');
    signal(slow.process.pid, 'SIGCONT');
    await fleet.whenOnline(['slow']);
    await found(
      () => (processesWith('MCPX_ATTEMPT_ID', first.id).length === 0 ? true : undefined),
      PATIENCE_MS,
      'the processes of the first attempt to end',
    );

    const {attempts, tasks} = run.state;
    const ofWork = [...attempts.values()].filter(({taskId}) => taskId === 'work');
    assert.deepEqual(ofWork.map(({agentId, outcome}) => [agentId, outcome]).sort(), [
      ['quick', 'succeeded'],
      ['slow', 'cancelled'],
    ]);
    const {retries = -1, losses = -1} = tasks.get('work') ?? {};
    assert.deepEqual([retries, losses], [0, 0]);
    const winner = ofWork.find(({outcome}) => outcome === 'succeeded')?.id ?? '';
    assert.deepEqual(tasks.get('work')?.result?.value, {by: winner});
    const client = await fleet.connect();
    const kept = await client.request('mcpx.memory.get', {sessionId: run.id, key: 'winner', level: 'strong'});
    assert.deepEqual([kept.record?.value, kept.version], [winner, 1]);
    const explained = execFileSync(
      process.execPath,
      [BUNDLE, 'explain', 'work', '--session', run.id, '--connect', fleet.endpoint.url],
      {
        encoding: 'utf8',
        env: {...process.env, MCPX_TOKEN: fleet.endpoint.token, MCPX_HOME: path.join(fleet.folder, 'home')},
      },
    );
    assert.match(explained, new RegExp(`It began as a backup of ${first.id}, which had run for \\d+ s`));
    assert.match(explained, /It was done first, and counts\./);
  });
});
