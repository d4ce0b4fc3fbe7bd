/** Attempts in real git worktrees, with their results as bundles in a real artifact store: results, conflicts, set-up, gates. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../../coordinator/agent/agentOptions.ts';
import {ArtifactClient} from '../../../coordinator/artifacts/artifactClient.ts';
import {artifactRequests} from '../../../coordinator/artifacts/artifactRequests.ts';
import {ArtifactStore} from '../../../coordinator/artifacts/artifactStore.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {DEFAULT_TENANT} from '../../../coordinator/protocol/ids.ts';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {type Assign, assignment, run, startAgent} from '../agentFixture.ts';
import {FakeHub} from '../fakeHub.ts';
import {isRunning, temporaryFolder, until} from '../supervisor/support.ts';

const services = {clock: systemClock, logger: silentLogger, random: systemRandom};

describe('attempt in a git worktree', function () {
  this.timeout(60_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  let agent: Agent | undefined;
  let project: GitProject;
  let client: ArtifactClient;
  let bundles: CommitBundle[];

  beforeEach(async () => {
    folder = temporaryFolder();
    const store = await ArtifactStore.open({
      folder: path.join(folder.path, 'store'),
      ...services,
      limits: {reserveBytes: 0},
    });
    const handle = artifactRequests(store, () => ({kind: 'allowed'}), silentLogger);
    hub = await FakeHub.listen((request, response) => void handle(request, response));
    const baseUrl = hub.url.replace('ws:', 'http:');
    client = new ArtifactClient(() => ({baseUrl, tenant: DEFAULT_TENANT}), services);
    project = new GitProject(path.join(folder.path, 'project'));
    bundles = [];
    hub.answers['mcpx.coordinate.dependency.resolve'] = () => ({results: [], bundles});
  });
  afterEach(async () => {
    await agent?.stop('test over', {now: true});
    agent = undefined;
    client.dispose();
    await hub.close();
    folder.remove();
  });

  async function start(more: Partial<AgentOptions> = {}): Promise<void> {
    agent = await startAgent(path.join(folder.path, 'agent'), hub.url, more);
    await agent.link.whenUp();
  }

  /** Uploads `commit` as the hub's clients do. */
  async function offer(commit: string, exclude: string[] = []): Promise<string> {
    const ref = `refs/mcpx/commits/${commit}`;
    const file = path.join(folder.path, `${commit}.bundle`);
    project.git('update-ref', ref, commit);
    project.git('bundle', 'create', '-q', file, ref, ...exclude.map(id => `^${id}`));
    bundles.push({commit, prerequisites: exclude, ...(await client.upload({file}))});
    return commit;
  }

  function workspace(
    base: string,
    inputs: [string, string][] = [],
    setup: string[] = [],
  ): Assign['workspace'] {
    const named = inputs.map(([taskId, commit]) => ({taskId, commit}));
    return {kind: 'git', repositoryId: 'project', base, inputs: named, setup};
  }

  async function resultOf(assign: Assign) {
    assert.equal((await hub.send('mcpx.orchestrate.task.assign', assign)).kind, 'accepted');
    return (await hub.completion(assign.attemptId)).report;
  }

  /** Takes the bundle of a result into the project, as a person would. */
  async function takeIn(bundle: CommitBundle | undefined): Promise<void> {
    assert(bundle);
    const file = path.join(folder.path, `${bundle.commit}.result`);
    await client.download(bundle.sha256, file);
    const ref = `refs/mcpx/commits/${bundle.commit}`;
    project.git('fetch', '-q', file, `+${ref}:${ref}`);
  }
  const attemptFolder = (attemptId: string): string =>
    path.join(folder.path, 'agent', 'workspaces', 'attempts', attemptId);

  it('starts from the merge of its inputs and leaves its changes as a commit in a bundle', async () => {
    const base = await offer(project.commit({'a.txt': 'a\n', 'b.txt': 'b\n'}));
    const left = await offer(project.branch('left', base, {'a.txt': 'left\n'}), [base]);
    const right = await offer(project.branch('right', base, {'b.txt': 'right\n'}), [base]);
    await start();
    const assign = assignment('join', run('cat a.txt b.txt > both.txt'), {
      workspace: workspace(base, [
        ['left', left],
        ['right', right],
      ]),
    });
    const report = await resultOf(assign);
    assert(report.outcome === 'succeeded');
    const {commit, bundle} = report.result;
    assert.equal(commit, bundle?.commit);
    await takeIn(bundle);
    assert.equal(project.git('show', `${commit}:both.txt`), 'left\nright');
    for (const input of [left, right]) project.git('merge-base', '--is-ancestor', input, commit ?? '');
    const [ref] = hub.of('mcpx.ref.update');
    assert.equal(ref?.name, 'wip/join.1');
    assert.equal(ref?.commit, commit);
    const methods = hub.calls.map(call => call.method);
    assert(methods.indexOf('mcpx.ref.update') < methods.indexOf('mcpx.orchestrate.task.complete'));
    await until('its folder is gone', () => !existsSync(attemptFolder(assign.attemptId)));
  });

  it('reports both sides when its inputs conflict', async () => {
    const base = await offer(project.commit({'a.txt': 'a\n'}));
    const left = await offer(project.branch('left', base, {'a.txt': 'left\n'}), [base]);
    const right = await offer(project.branch('right', base, {'a.txt': 'right\n'}), [base]);
    await start();
    const inputs: [string, string][] = [
      ['left', left],
      ['right', right],
    ];
    const report = await resultOf(assignment('join', run('true'), {workspace: workspace(base, inputs)}));
    assert(report.outcome === 'failed' && report.failure.kind === 'conflict');
    assert.deepEqual(report.failure.conflict, {
      paths: ['a.txt'],
      ours: {taskId: 'left', commit: left},
      theirs: {taskId: 'right', commit: right},
    });
    const kept = {keepConflicts: true};
    const unresolved = assignment('leave', run('true'), {workspace: workspace(base, inputs), task: kept});
    const left1 = await resultOf(unresolved);
    assert(left1.outcome === 'failed' && left1.failure.kind === 'conflict');
    const resolve = run('echo both > a.txt; git add a.txt');
    const resolved = await resultOf(
      assignment('solve', resolve, {workspace: workspace(base, inputs), task: kept}),
    );
    assert(resolved.outcome === 'succeeded');
    await takeIn(resolved.result.bundle);
    assert.equal(project.git('show', `${resolved.result.commit}:a.txt`), 'both');
  });

  it('merges and does nothing else for a merge task', async () => {
    const base = await offer(project.commit({'a.txt': 'a\n'}));
    const left = await offer(project.branch('left', base, {'l.txt': 'l\n'}), [base]);
    const right = await offer(project.branch('right', base, {'r.txt': 'r\n'}), [base]);
    await start();
    const inputs: [string, string][] = [
      ['left', left],
      ['right', right],
    ];
    const report = await resultOf(assignment('merge', {kind: 'merge'}, {workspace: workspace(base, inputs)}));
    assert(report.outcome === 'succeeded');
    assert.equal(report.result.summary, 'merged left, right');
    await takeIn(report.result.bundle);
    assert.equal(project.git('ls-tree', '--name-only', report.result.commit ?? ''), 'a.txt\nl.txt\nr.txt');
  });

  it('sends no bundle when nothing was changed', async () => {
    const base = await offer(project.commit({'a.txt': 'a\n'}));
    await start();
    const report = await resultOf(assignment('look', run('cat a.txt'), {workspace: workspace(base)}));
    assert(report.outcome === 'succeeded');
    assert.equal(report.result.commit, base);
    assert.equal(report.result.bundle, undefined);
    assert.deepEqual(hub.of('mcpx.ref.update'), []);
  });

  it('keeps the unfinished work of a failed attempt for people', async () => {
    const base = await offer(project.commit({'a.txt': 'a\n'}));
    await start();
    const report = await resultOf(
      assignment('half', run('echo half > half.txt; exit 3'), {workspace: workspace(base)}),
    );
    assert(report.outcome === 'failed' && report.failure.kind === 'exit');
    const [ref] = hub.of('mcpx.ref.update');
    await takeIn(ref?.bundle);
    assert.equal(project.git('show', `${ref?.commit}:half.txt`), 'half');
  });

  it('runs set-up first, with the environment of the task, and fails when it fails', async () => {
    const base = await offer(project.commit({'a.txt': 'a\n', '.gitignore': 'made\n'}));
    await start();
    const good = assignment('good', run('cat made'), {
      workspace: workspace(base, [], ['echo "$GREETING" > made']),
      task: {env: {GREETING: 'hello'}},
    });
    const report = await resultOf(good);
    assert(report.outcome === 'succeeded');
    assert.equal(report.result.summary, 'hello');
    const bad = await resultOf(
      assignment('bad', run('true'), {workspace: workspace(base, [], ['echo no >&2; exit 4'])}),
    );
    assert(bad.outcome === 'failed' && bad.failure.kind === 'workspace');
    assert.match(bad.failure.message, /exit code 4\nno/);
  });

  it('fails with the reason when the hub cannot give the inputs', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    await start();
    const report = await resultOf(assignment('none', run('true'), {workspace: workspace(base)}));
    assert(report.outcome === 'failed' && report.failure.kind === 'workspace');
  });

  describe('with gates', () => {
    const gate = (name: string, command: string, timeoutMs = 20_000) => ({
      name,
      type: 'command' as const,
      command,
      onFailure: 'retry' as const,
      timeoutMs,
    });

    async function gated(command: string): Promise<Assign> {
      hub.answers['mcpx.orchestrate.task.complete'] = params => {
        hub.completed.set(params.attemptId, params);
        return {accepted: true, gates: true};
      };
      const base = await offer(project.commit({'a.txt': 'a\n'}));
      await start();
      const assign = assignment('work', run(command), {
        workspace: workspace(base),
        task: {gates: [gate('check', 'true')], env: {COLOUR: 'blue'}},
      });
      assert.equal((await resultOf(assign)).outcome, 'succeeded');
      await until(
        'it waits for its gates',
        () => agent?.attempts.get(assign.attemptId)?.state.kind === 'gated',
      );
      return assign;
    }

    it('runs a gate in the worktree once, however often it is asked for, and keeps its evidence', async () => {
      const {attemptId, fence} = await gated('echo result > result.txt');
      const mark = path.join(folder.path, 'mark');
      const command = `cat result.txt; echo $COLOUR $EXTRA; echo x >> ${mark}; sleep 0.3; exit 3`;
      const request = {attemptId, fence, gate: gate('check', command), env: {EXTRA: 'more'}};
      const both = await Promise.all([
        hub.send('mcpx.coordinate.quality.gate', request),
        hub.send('mcpx.coordinate.quality.gate', request),
      ]);
      hub.cut();
      await hub.registered(2);
      const third = await hub.send('mcpx.coordinate.quality.gate', request);
      for (const {evidence} of [...both, third]) {
        assert.equal(evidence.passed, false);
        assert.equal(evidence.exitCode, 3);
        assert.equal(evidence.output, 'result\nblue more\n');
      }
      assert.equal(readFileSync(mark, 'utf8'), 'x\n');
      assert.equal(hub.of('mcpx.agent.register')[1]?.attempts[0]?.state, 'gated');
      await hub.send('mcpx.attempt.release', {attemptId, keep: false});
      assert(!existsSync(attemptFolder(attemptId)));
      await assert.rejects(hub.send('mcpx.coordinate.quality.gate', request), {kind: 'notFound'});
    });

    it('uploads an output that is too long for the evidence, and keeps its end', async () => {
      const {attemptId, fence} = await gated('true');
      const request = {attemptId, fence, gate: gate('long', 'seq 1 10000'), env: {}};
      const {evidence} = await hub.send('mcpx.coordinate.quality.gate', request);
      assert(evidence.passed);
      assert.match(evidence.output, /9999\n10000\n$/);
      assert(Buffer.byteLength(evidence.output) <= 8192);
      const file = path.join(folder.path, 'output');
      await client.download(evidence.artifact ?? '', file);
      assert.match(readFileSync(file, 'utf8'), /^1\n2\n[\s\S]*\n10000\n$/);
    });

    it('tells gates of one name apart by their commands', async () => {
      const {attemptId, fence} = await gated('true');
      const ask = (command: string) =>
        hub.send('mcpx.coordinate.quality.gate', {attemptId, fence, gate: gate('check', command), env: {}});
      const [good, bad] = await Promise.all([ask('true'), ask('exit 4')]);
      assert.equal(good.evidence.passed, true);
      assert.equal(bad.evidence.exitCode, 4);
    });

    describe('that run', () => {
      const slow = (pidFile: string, deaf = false) =>
        gate(
          'slow',
          `${deaf ? "trap '' TERM; " : ''}echo $$ > ${pidFile}; while :; do sleep 0.1; done`,
          60_000,
        );

      async function runningGate(deaf = false) {
        const {attemptId, fence} = await gated('true');
        const pidFile = path.join(folder.path, 'pid');
        const leaving = new AbortController();
        const request = {attemptId, fence, gate: slow(pidFile, deaf), env: {}};
        const evidence = hub.ask('mcpx.coordinate.quality.gate', request, leaving.signal);
        evidence.catch(() => undefined);
        await until('it runs', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '');
        return {attemptId, fence, evidence, leaving, request, pid: Number(readFileSync(pidFile, 'utf8'))};
      }

      for (const deaf of [false, true])
        it(`end before their worktree goes${deaf ? ', also by force' : ''}`, async () => {
          const {attemptId, evidence, pid} = await runningGate(deaf);
          await hub.send('mcpx.attempt.release', {attemptId, keep: false});
          assert(!isRunning(pid));
          assert(!existsSync(attemptFolder(attemptId)));
          assert((await evidence).evidence.error !== undefined);
        });

      it('end when their attempt is cancelled and released', async () => {
        const {attemptId, pid} = await runningGate();
        await hub.send('mcpx.attempt.cancel', {attemptId, reason: 'test'});
        await hub.send('mcpx.attempt.release', {attemptId, keep: true});
        assert(!isRunning(pid));
        assert(existsSync(attemptFolder(attemptId)));
      });

      it('end when everything is stopped, which says so', async () => {
        const {pid} = await runningGate(true);
        const {killed} = await hub.send('mcpx.agent.stopAll', {reason: 'test', graceMs: 100});
        assert.equal(killed, 1);
        assert(!isRunning(pid));
      });

      it('end when nobody wants their evidence any more, and run anew when asked for again', async () => {
        const {attemptId, fence, pid, leaving} = await runningGate();
        leaving.abort('the lead has gone');
        await until('it has ended', () => !isRunning(pid));
        const again = {attemptId, fence, gate: gate('slow', 'true'), env: {}};
        assert((await hub.send('mcpx.coordinate.quality.gate', again)).evidence.passed);
      });

      it('go on when one of two who asked wants them no more, and when the connection is lost', async () => {
        const {pid, leaving, request} = await runningGate();
        const other = hub.ask('mcpx.coordinate.quality.gate', request);
        other.catch(() => undefined);
        await hub.send('mcpx.health.check', {});
        leaving.abort('one has gone');
        await hub.send('mcpx.health.check', {});
        hub.cut();
        await hub.registered(2);
        assert(isRunning(pid));
      });
    });

    it('ends a gate that takes too long, as a verdict', async () => {
      const {attemptId, fence} = await gated('true');
      const request = {attemptId, fence, gate: gate('slow', 'echo begun; sleep 300', 300), env: {}};
      const {evidence} = await hub.send('mcpx.coordinate.quality.gate', request);
      assert.equal(evidence.passed, false);
      assert.equal(evidence.error, undefined);
      assert.match(evidence.output, /^begun\n\n\[ended: it took longer than/);
    });

    it('refuses a gate under another fence', async () => {
      const {attemptId, fence} = await gated('true');
      const other = {...fence, revision: fence.revision + 1};
      const request = {attemptId, fence: other, gate: gate('check', 'true'), env: {}};
      await assert.rejects(hub.send('mcpx.coordinate.quality.gate', request), {kind: 'staleFence'});
    });

    it('is released though the answer to its completion was lost and the release came first', async () => {
      const base = await offer(project.commit({'a.txt': 'a\n'}));
      await start();
      const assign = assignment('work', run('true'), {workspace: workspace(base)});
      const {attemptId} = assign;
      let tries = 0;
      hub.answers['mcpx.orchestrate.task.complete'] = async () => {
        tries++;
        if (tries === 2) await hub.send('mcpx.attempt.release', {attemptId, keep: false});
        return {accepted: true, gates: true};
      };
      hub.cutBeforeAnswer = 'mcpx.orchestrate.task.complete';
      await hub.send('mcpx.orchestrate.task.assign', assign);
      await until('it is over', () => tries === 2 && agent?.attempts.get(attemptId) === undefined);
      assert(!existsSync(attemptFolder(attemptId)));
    });

    it('keeps the worktree when the release says so, and removes it by a second one', async () => {
      const {attemptId} = await gated('echo result > result.txt');
      await hub.send('mcpx.attempt.release', {attemptId, keep: true});
      assert(existsSync(path.join(attemptFolder(attemptId), 'worktree', 'result.txt')));
      await hub.send('mcpx.attempt.release', {attemptId, keep: false});
      assert(!existsSync(attemptFolder(attemptId)));
    });
  });
});
