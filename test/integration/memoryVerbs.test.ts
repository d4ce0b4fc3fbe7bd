/** `mcpx memory` against a real coordinator: keys, their past, changes as they happen, conflicts and rules, for people and for programs. */
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import path from 'node:path';
import {Command} from 'commander';
import {addMemoryCommands} from '../../coordinator/commands/memory.ts';
import {DEFAULT_SETTINGS} from '../../coordinator/config.ts';
import {startCoordinator} from '../../coordinator/coordinator.ts';
import type {Coordinator} from '../../coordinator/coordinatorOptions.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {startAgent, testLogger} from '../agent/agentFixture.ts';
import {CuttingProxy} from '../support/cuttingProxy.ts';
import {Fleet} from '../support/fleet.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 60_000;

describe('mcpx memory', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let coordinator: Coordinator;
  let run: SessionRun;

  before(async () => {
    fleet = Fleet.create();
    mkdirSync(fleet.dataFolder);
    coordinator = await startCoordinator({
      directory: fleet.dataFolder,
      address: {host: '127.0.0.1', port: 0},
      tls: false,
      publicNames: [],
      settings: DEFAULT_SETTINGS,
      clock: systemClock,
      random: systemRandom,
      logger: testLogger(),
    });
    fleet.use(coordinator);
    const tasks = [{id: 'work', run: 'while true; do sleep 0.1; done'}];
    run = await SessionRun.start(fleet, {plan: JSON.stringify({name: 'memory', workspace: 'none', tasks})});
  });
  after(async () => {
    await coordinator.stop(0);
    await fleet.close();
  });

  /** Runs the verb in this process; what it wrote to stdout. */
  const memory = async (exit: number, ...args: string[]): Promise<string> => {
    let stdout = '';
    let code = 0;
    const program = new Command('mcpx').enablePositionalOptions().exitOverride();
    const io = {
      stdout: (text: string) => {
        stdout += text;
      },
      stderr: () => undefined,
      env: {MCPX_CONNECT: coordinator.url, MCPX_TOKEN: coordinator.clientToken, MCPX_SESSION_ID: run.id},
      cwd: fleet.folder,
      interactive: false,
      columns: 80,
    };
    addMemoryCommands(program, io, done => {
      code = done;
    });
    await program.parseAsync(['node', 'mcpx', 'memory', ...args]);
    assert.equal(code, exit, stdout);
    return stdout;
  };
  const json = async (exit: number, ...args: string[]) => JSON.parse(await memory(exit, ...args, '--json'));

  it('writes, reads, lists and deletes, at the present and in the past', async () => {
    assert.equal(await memory(0, 'put', 'api/shape', '{"a": 1}'), 'version 1\n');
    const first = (await json(0, 'get', 'api/shape')).revision;
    await memory(0, 'put', 'api/shape', 'text', '--if-version', '1');
    await memory(0, 'put', 'other', '2');
    assert.equal(await memory(0, 'get', 'api/shape'), '"text"\n');
    assert.equal(await memory(0, 'get', 'api/shape', '--level', 'eventual'), '"text"\n');
    assert.equal(await memory(0, 'get', 'api/shape', '--at', String(first)), '{"a":1}\n');
    const {value, version, ageMs} = await json(0, 'get', 'api/shape');
    assert.deepEqual([value, version, ageMs], ['text', 2, 0]);
    assert.match(await memory(0, 'list', 'api/*'), /^api\/shape {2}v2 {2}20\S+ {2}"text"\n$/);
    const listed = await json(0, 'list');
    assert.deepEqual(
      listed.entries.map(({key}: {key: string}) => key),
      ['api/shape', 'other'],
    );
    assert.equal((await json(0, 'list', '--at', String(first))).entries.length, 1);
    assert.equal(await memory(0, 'delete', 'api/shape'), 'api/shape is deleted\n');
    assert.equal(await memory(1, 'delete', 'api/shape'), 'there is no api/shape\n');
    await memory(1, 'get', 'api/shape');
    await assert.rejects(memory(0, 'put', 'other', '3', '--if-version', '7'), error =>
      isProtocolError(error, 'conflict'),
    );
    await assert.rejects(memory(0, 'get', 'other', '--at', 'x'), error =>
      isCoordinatorError(error, 'config'),
    );
  });

  it('shows the history of a key, newest first', async () => {
    for (const value of ['1', '2']) await memory(0, 'put', 'h', value);
    await memory(0, 'delete', 'h');
    const lines = (await memory(0, 'history', 'h')).trimEnd().split('\n');
    assert.match(lines[0] ?? '', /^ +\d+ {2}20\S+ {2}deleted by client:local$/);
    assert.match(lines[1] ?? '', / v2 {2}client:local {2}2$/);
    assert.match(lines[2] ?? '', / v1 {2}client:local {2}1$/);
    const {versions} = await json(0, 'history', 'h', '--limit', '1');
    assert.deepEqual([versions.length, versions[0].kind], [1, 'delete']);
  });

  it('ends values after their time', async () => {
    await memory(0, 'put', 'brief', '1', '--ttl', '200');
    await found(
      async () => ((await json(0, 'list', 'brief')).entries.length === 0 ? true : undefined),
      PATIENCE_MS,
      'the value to end',
    );
    assert.match(await memory(0, 'history', 'brief'), / expired\n/);
  });

  it('prints changes that fit as they happen', async () => {
    const watching = memory(0, 'watch', 'w/*', '--count', '3', '--json');
    let done = false;
    const writing = (async () => {
      // The watch tells what comes after its beginning, whenever that is.
      for (let at = 0; !done; at++) {
        await memory(0, 'put', 'w/a', String(at));
        await memory(0, 'put', 'elsewhere', String(at));
        await memory(0, 'delete', 'w/a');
      }
    })();
    const events = (await watching)
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    done = true;
    await writing;
    assert.equal(events.length, 3);
    for (const {kind, key} of events) assert.match(`${kind} ${key}`, /^(put|delete) w\/a$/);
  });

  it('keeps rules, and refuses a merge that does not exist', async () => {
    assert.match(await memory(0, 'policy', 'list'), /^No rules/);
    await memory(
      0,
      'policy',
      'set',
      'count/',
      'merge',
      '--merge',
      'counter',
      '--otherwise',
      'last-writer-wins',
    );
    const text = await memory(0, 'policy', 'set', '', 'manual', '--session', run.id);
    assert.equal(
      text,
      `(every key) of ${run.id}  manual\ncount/*  merge (counter), otherwise last-writer-wins\n`,
    );
    await assert.rejects(memory(0, 'policy', 'set', 'x', 'merge', '--merge', 'nonesuch'), error =>
      isProtocolError(error, 'invalidParams'),
    );
    const {rules} = await json(0, 'policy', 'unset', '', '--session', run.id);
    assert.equal(rules.length, 1);
    await memory(0, 'policy', 'unset', 'count/');
  });

  it('lists conflicts and resolves them', async () => {
    const proxy = await CuttingProxy.open(() => Number(new URL(coordinator.url).port));
    const url = `ws://127.0.0.1:${proxy.port}`;
    const agent = await startAgent(path.join(fleet.folder, 'agent-1'), url, {
      hub: {urls: [url], token: () => coordinator.agentToken},
    });
    try {
      const attempt = await found(() => agent.attempts.get(`${run.id}.work.1`), PATIENCE_MS, 'the attempt');
      await memory(0, 'put', 'c', '"before"');
      await agent.memory.sync(run.id);
      proxy.cut();
      proxy.reset();
      await found(() => (agent.link.isUp ? undefined : true), PATIENCE_MS, 'the link to be down');
      await memory(0, 'put', 'c', '"theirs"');
      await agent.memory.store(attempt.assign, 'c', 'mine');
      assert.equal(await memory(0, 'conflicts'), 'No conflicts.\n');
      proxy.heal();
      const [conflict] = await found(
        async () => {
          const {conflicts} = await json(0, 'conflicts', '--session', run.id);
          return conflicts.length > 0 ? conflicts : undefined;
        },
        PATIENCE_MS,
        'the conflict',
      );
      const text = await memory(0, 'conflicts');
      assert.match(text, new RegExp(`^${conflict.id} {2}${run.id}/c {2}20\\S+ {2}concurrent\n`));
      assert.match(text, /mine {4}"mine" {2}\(\S+\.work\.1\)\n {4}theirs {2}"theirs" {2}\(client:local\)\n/);
      await assert.rejects(memory(0, 'resolve', conflict.id), error => isCoordinatorError(error, 'config'));
      await memory(0, 'put', 'c', '"later"');
      await assert.rejects(
        memory(0, 'resolve', conflict.id, '--mine'),
        error => isCoordinatorError(error, 'conflict') && /has version 3/.test(error.message),
      );
      assert.equal(await memory(0, 'get', 'c'), '"later"\n', 'what nobody has seen is not overwritten');
      const both = ['--value', '["both"]', '--if-version', '3'];
      assert.match(await memory(0, 'resolve', conflict.id, ...both), /\/c has version 4\n$/);
      assert.equal(await memory(0, 'get', 'c'), '["both"]\n');
      await assert.rejects(memory(0, 'resolve', conflict.id, '--mine'), error =>
        isCoordinatorError(error, 'notFound'),
      );
    } finally {
      await agent.stop('the test is over', {now: true});
      await proxy.close();
    }
  });
});
