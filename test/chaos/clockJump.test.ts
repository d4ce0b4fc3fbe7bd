/** Ten minutes pass for a coordinator between two turns of its loop, as they do when its machine sleeps: nobody is given up for it. */
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import path from 'node:path';
import {DEFAULT_SETTINGS} from '../../coordinator/config.ts';
import {startCoordinator} from '../../coordinator/coordinator.ts';
import type {Coordinator} from '../../coordinator/coordinatorOptions.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {Fleet} from '../support/fleet.ts';
import {createProject} from '../support/gitProject.ts';
import {JumpingClock} from '../support/jumpingClock.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {Ground} from './ground.ts';

const TEN_MINUTES_MS = 600_000;
const PATIENCE_MS = 60_000;

describe('a clock that jumps by ten minutes', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let clock: JumpingClock;
  let coordinator: Coordinator | undefined;

  beforeEach(async () => {
    fleet = Fleet.create();
    clock = new JumpingClock();
    mkdirSync(fleet.dataFolder);
    coordinator = await startCoordinator({
      directory: fleet.dataFolder,
      address: {host: '127.0.0.1', port: 0},
      tls: false,
      publicNames: [],
      settings: {...DEFAULT_SETTINGS, leaseSeconds: 3, lossGraceMs: 1000},
      clock,
      random: systemRandom,
      logger: silentLogger,
    });
    fleet.use(coordinator);
  });

  afterEach(async () => {
    await coordinator?.stop(0);
    await fleet.close();
  });

  it('costs no attempt, with agents that work and a task that waits for its retry', async () => {
    const ids = ['agent-1', 'agent-2'];
    for (const id of ids) await fleet.startAgent({id, args: ['--claude', 'off']});
    await fleet.whenOnline(ids);
    const ground = new Ground(path.join(fleet.folder, 'ground'));
    const project = path.join(fleet.folder, 'project');
    createProject(project, {'README.md': 'nothing\n'});
    const wait = `while [ ! -e "${ground.folder}/go/hold-1" ]; do sleep 0.1; done`;
    const plan = {
      name: 'sleeper',
      defaults: {retry: {max: 1, backoff: '1s'}, timeout: '5m'},
      tasks: [
        {id: 'one', run: wait},
        {id: 'two', run: wait},
        {
          id: 'again',
          run: `test -e ${ground.folder}/gate/again || { touch ${ground.folder}/gate/again; exit 1; }`,
        },
        {id: 'after', dependsOn: ['one', 'two', 'again'], run: 'true'},
      ],
    };
    const run = await SessionRun.start(fleet, {plan: JSON.stringify(plan), project});
    await Promise.all([run.running('one', PATIENCE_MS), run.running('two', PATIENCE_MS)]);
    clock.jump(TEN_MINUTES_MS);
    // Another one while leases are being extended.
    await fleet.whenOnline(ids);
    clock.jump(TEN_MINUTES_MS);
    await fleet.whenOnline(ids);
    ground.release('hold-1');
    const session = await run.ended(PATIENCE_MS);
    assert.equal(session.state, 'succeeded', run.describe());
    const attempts = [...run.state.attempts.values()].map(({taskId, outcome}) => `${taskId} ${outcome}`);
    assert.deepEqual(attempts.sort(), [
      '_result succeeded',
      'after succeeded',
      'again failed',
      'again succeeded',
      'one succeeded',
      'two succeeded',
    ]);
    assert.ok([...run.state.tasks.values()].every(task => task.losses === 0));
  });
});
