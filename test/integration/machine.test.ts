/** Machines that lack something: what is said, and how to mend it. */
import assert from 'node:assert/strict';
import {chmodSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PROMPT = 'name: p\nagents: 1\ntasks: [{id: a, prompt: Hello.}]\n';
const Finding = z.strictObject({
  subject: z.string(),
  verdict: z.enum(['ok', 'warning', 'problem']),
  detail: z.string(),
  remedy: z.string().optional(),
});
const Diagnosis = z.strictObject({
  ok: z.boolean(),
  version: z.string(),
  node: z.string(),
  platform: z.string(),
  arch: z.string(),
  findings: z.array(Finding),
});

describe('a machine that lacks something', function () {
  this.timeout(60_000);
  let person: Person;
  beforeEach(() => {
    person = new Person();
  });
  afterEach(() => person.leave());

  const doctor = async (env: Readonly<Record<string, string>> = {}) => {
    const {code, stdout} = await person.mcpx(['doctor', '--json'], {env});
    const {ok, findings} = Diagnosis.parse(JSON.parse(stdout));
    assert.equal(ok, code === 0);
    return {code, of: (subject: string) => findings.find(finding => finding.subject === subject)};
  };

  it('is well enough without a login, and told how to sign in', async () => {
    const {code, of} = await doctor();
    assert.equal(code, 0);
    for (const subject of ['versions', 'git', 'ports', 'disk', 'coordinator'])
      assert.equal(of(subject)?.verdict, 'ok', subject);
    assert.equal(of('claude')?.verdict, 'warning');
    assert.match(of('claude')?.remedy ?? '', /claude auth login[\s\S]*ANTHROPIC_API_KEY/);
    const shown = await person.expect(0, ['doctor']);
    assert.match(shown.stdout, /^ok +versions: mcpx .*\n(.*\n)*warning +claude: .*not signed in/);
    assert.match((await person.expect(0, ['doctor', '--settings'])).stdout, /^leaseSeconds = 10\n {4}\S/m);
  });

  it('is found out without git and without a place to write; a broken Claude Code gives way to the one that came along', async () => {
    const programs = person.folder('programs');
    symlinkSync(process.execPath, path.join(programs, 'node'));
    writeFileSync(path.join(programs, 'claude'), '#!/bin/sh\necho cannot load a library >&2\nexit 127\n');
    chmodSync(path.join(programs, 'claude'), 0o755);
    const occupied = path.join(person.root, 'file');
    writeFileSync(occupied, '');
    const {code, of} = await doctor({PATH: programs, MCPX_HOME: path.join(occupied, 'mcpx')});
    assert.equal(code, 1);
    assert.equal(of('git')?.verdict, 'problem');
    assert.match(of('git')?.remedy ?? '', /PATH/);
    assert.match(of('claude')?.detail ?? '', /claude-agent-sdk/);
    assert.equal(of('disk')?.verdict, 'problem');
    assert.match(of('disk')?.remedy ?? '', /MCPX_HOME/);

    const repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'p.mcpx.yaml': PROMPT,
    });
    const run = await person.mcpx(['run', 'p.mcpx.yaml', '--rehearse'], {
      cwd: repository.folder,
      env: {MCPX_HOME: path.join(occupied, 'mcpx')},
    });
    assert.equal(run.code, 2);
    assert.match(run.stderr, /cannot make the folder .*\n.*MCPX_HOME/);
    assert.doesNotMatch(run.stderr, /^\s+at /m);
  });

  /** ruflo#21: the orchestrator started happily where no Claude Code could work. */
  it('is told at once that a plan with prompts cannot run here when Claude Code is not signed in, and how to go on', async () => {
    const repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'p.mcpx.yaml': PROMPT,
    });
    const run = await person.mcpx(['run', 'p.mcpx.yaml'], {cwd: repository.folder});
    assert.equal(run.code, 1);
    assert.match(
      run.stderr,
      /the plan has prompts, and Claude Code is not signed in\n.*claude auth login.*\n.*--rehearse/,
    );
    assert.equal(person.endpoint, undefined);
  });

  it('lets a prompt wait for agents elsewhere, and says why and how to go on', async () => {
    const repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'p.mcpx.yaml': PROMPT,
    });
    const coordinator = person.start(['coordinator']);
    await coordinator.saw(/the coordinator is ready/);
    const agent = person.start(['agent', '--id', 'mine']);
    await agent.saw(/registered with the hub/);
    const {url, token} = person.endpoint ?? {url: '', token: ''};
    const run = person.start(['run', 'p.mcpx.yaml', '--connect', url, '--token', token], {
      cwd: repository.folder,
    });
    await run.saw(/no connected agent has Claude Code ready \(mine: it is not signed in\. Sign in by/);
    run.signal('SIGINT');
    assert.equal((await run.ended).code, 130);
    agent.signal('SIGTERM');
    coordinator.signal('SIGTERM');
    await Promise.all([agent.ended, coordinator.ended]);
  });

  it('says which executable was named for Claude Code and does not work', async () => {
    const coordinator = person.start(['coordinator']);
    await coordinator.saw(/the coordinator is ready/);
    const agent = person.start(['agent', '--claude', './no-such-claude', '--id', 'mine']);
    await agent.saw(/registered with the hub/);
    assert.match(agent.stderr, /no-such-claude/);
    assert.match((await person.expect(0, ['status'])).stdout, /mine {2}idle .*claude: (broken|missing)/);
    agent.signal('SIGTERM');
    coordinator.signal('SIGTERM');
    assert.deepEqual([(await agent.ended).code, (await coordinator.ended).code], [0, 0]);
  });
});
