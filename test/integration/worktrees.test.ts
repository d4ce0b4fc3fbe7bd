/** What people see of worktrees on real agents: paths that two attempts change at once, where these work, and the disk of what is kept. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {overlaps} from '../../coordinator/client/overlaps.ts';
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {Fleet} from '../support/fleet.ts';
import {createProject} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {within} from '../support/waiting.ts';

const PATIENCE_MS = 60_000;

describe('worktrees of a session', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let session: SessionRun;
  before(async () => {
    fleet = await Fleet.start();
    await fleet.startAgent({
      id: 'agent-1',
      args: ['--claude', 'off', '--set', 'pathsMs=200', '--set', 'keptMs=1000'],
    });
    await fleet.whenOnline(['agent-1']);
    const project = path.join(fleet.folder, 'project');
    createProject(project, {'shared.txt': 'shared\n'});
    const wait = `while [ ! -e "${path.join(fleet.folder, 'go')}" ]; do sleep 0.1; done`;
    const plan = {
      name: 'both',
      defaults: {retry: {max: 0}},
      tasks: [
        {id: 'left', run: `echo left > shared.txt; head -c 300000 /dev/urandom > left.bin; ${wait}; exit 1`},
        {id: 'right', run: `echo right > shared.txt; ${wait}`},
      ],
    };
    session = await SessionRun.start(fleet, {plan: JSON.stringify(plan), project});
  });
  after(() => fleet.close());

  /** Resolves with the agent's record once it satisfies `look`. */
  async function agentThat(client: McpxClient, look: (agent: AgentRecord) => boolean): Promise<AgentRecord> {
    const found = deferred<AgentRecord>();
    const watch = client.watch({view: 'agents'}, () => {
      for (const row of watch.rows.values())
        if (row.kind === 'agent' && look(row.agent)) found.resolve(row.agent);
    });
    try {
      return await within(found.promise, PATIENCE_MS, () => JSON.stringify([...watch.rows.values()]));
    } finally {
      watch.dispose();
    }
  }

  it('show which path two running attempts change, and where each works', async () => {
    const both = [`${session.id}.left.1`, `${session.id}.right.1`];
    const attempts = await session.until(
      state => {
        const all = [...state.attempts.values()];
        return overlaps(all).length > 0 ? all : undefined;
      },
      PATIENCE_MS,
      'both to change one path',
    );
    assert.deepEqual(overlaps(attempts), [{sessionId: session.id, path: 'shared.txt', attempts: both}]);
    for (const {taskId, worktree, paths} of attempts) {
      assert.equal(worktree?.hostname, os.hostname());
      assert.equal(readFileSync(path.join(worktree?.path ?? '', 'shared.txt'), 'utf8'), `${taskId}\n`);
      assert.deepEqual(paths?.names, taskId === 'left' ? ['left.bin', 'shared.txt'] : ['shared.txt']);
    }
  });

  it('show the disk of what an agent keeps, which is free again when the session is released', async () => {
    writeFileSync(path.join(fleet.folder, 'go'), '');
    assert.equal((await session.ended(PATIENCE_MS)).state, 'failed', session.describe());
    assert.deepEqual(overlaps(session.state.attempts.values()), []);
    const {client} = session;
    const {keptWorktrees: [kept, ...others] = []} = await agentThat(
      client,
      agent => (agent.keptWorktrees?.length ?? 0) > 0,
    );
    assert.deepEqual(others, []);
    assert.deepEqual([kept?.sessionId, kept?.attempts], [session.id, 1]);
    assert.ok((kept?.bytes ?? 0) > 300_000 && (kept?.bytes ?? 0) < 3_000_000, `${kept?.bytes} bytes`);
    const folder = session.state.attempts.get(`${session.id}.left.1`)?.worktree?.path ?? '';
    assert.ok(existsSync(folder));

    // Another process of the agent says the same.
    await fleet.agent('agent-1').process.stop();
    fleet.agent('agent-1').process.start();
    await fleet.whenOnline(['agent-1']);
    await client.request('mcpx.session.control', {sessionId: session.id, action: {kind: 'release'}});
    await agentThat(client, agent => agent.keptWorktrees?.length === 0);
    assert.ok(!existsSync(folder));
    session.dispose();
  });
});
