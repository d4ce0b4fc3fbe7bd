/** `mcpx endpoint`: how programs find a coordinator, start one, and are told of one of another version; what an editor's environment does to it. */
import assert from 'node:assert/strict';
import {copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {stoppedFileUnder} from '../../coordinator/client/userData.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {found} from '../support/waiting.ts';
import {observe} from './observe.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const EndpointAnswer = z.strictObject({
  url: z.string().regex(/^wss?:/),
  others: z.array(z.string()),
  token: z.string().min(32).nullable(),
  ca: z.string().nullable(),
  coordinator: z.string().regex(/^c-/),
  version: z.string(),
  pid: z.number().nullable(),
  started: z.boolean(),
  skew: z.boolean(),
  notice: z.string().nullable(),
});

const ErrorAnswer = z.strictObject({
  error: z.strictObject({code: z.string(), message: z.string(), hint: z.string().optional()}),
});

const EDITOR = {
  ELECTRON_RUN_AS_NODE: '1',
  VSCODE_PID: '1',
  VSCODE_IPC_HOOK: '/nowhere',
  NODE_OPTIONS: '--no-deprecation',
};

/** The last line of what a verb with --json wrote. */
function lastLine(stdout: string): unknown {
  assert.match(stdout, /^\{[^\n]*\}\n$/);
  return JSON.parse(stdout);
}

describe('mcpx endpoint', function () {
  this.timeout(90_000);
  let person: Person;
  beforeEach(() => {
    person = new Person();
  });
  afterEach(() => person.leave());

  const endpoint = async (...args: string[]) =>
    EndpointAnswer.parse(lastLine((await person.expect(0, ['endpoint', '--json', ...args])).stdout));
  const refused = async (code: number, ...args: string[]) =>
    ErrorAnswer.parse(lastLine((await person.expect(code, args)).stdout)).error;

  /** A build of this program that calls itself 0.0.9. */
  function olderBuild(): string {
    const file = path.join(person.folder('older'), 'mcpx.mjs');
    const text = readFileSync(BUNDLE, 'utf8');
    const {version} = z
      .object({version: z.string()})
      .parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')));
    const older = text.replaceAll(`version:"${version}"`, 'version:"0.0.9"');
    assert.notEqual(older, text);
    writeFileSync(file, older);
    return file;
  }

  it('finds none, starts one that lingers as told, and finds that again', async () => {
    assert.equal((await refused(1, 'endpoint', '--json')).code, 'unavailable');
    const started = await endpoint('--start', '--linger', '8000');
    assert.deepEqual([started.started, started.skew, started.notice, started.ca], [true, false, null, null]);
    const again = await endpoint();
    assert.deepEqual(again, {...started, started: false});
    assert.deepEqual(
      [again.url, again.token, again.pid],
      [person.endpoint?.url, person.endpoint?.token, person.endpoint?.pid],
    );
    const shown = await person.expect(0, ['endpoint']);
    assert.ok(shown.stdout.includes(started.url) && !shown.stdout.includes(started.token ?? ''));
    await person.assertNothingRuns(40_000);
  });

  it('says what is wrong in a way that programs can read, whatever it is', async () => {
    const unknown = await refused(2, 'endpoint', '--json', '--nonsense');
    assert.equal(unknown.code, 'usage');
    const nowhere = await refused(2, 'endpoint', '--context', 'mars', '--json');
    assert.match(nowhere.message, /"mars" is neither/);
    assert.match(nowhere.hint ?? '', /context list/);
    assert.equal((await refused(2, 'endpoint', '--json', '--context', 'mars', '--start')).code, 'config');
  });

  it('notes what runs from a copy that an editor made, so that it is not deleted under it', async () => {
    const copy = person.folder('copy');
    copyFileSync(BUNDLE, path.join(copy, 'mcpx.mjs'));
    const uses = person.folder('copy/uses');
    const started = person.startWith(path.join(copy, 'mcpx.mjs'), ['endpoint', '--start', '--json']);
    const {pid} = EndpointAnswer.parse(lastLine((await started.ended).stdout));
    assert.deepEqual(readdirSync(uses), [String(pid)]);
  });

  it('resolves a context to its address, token and authority', async () => {
    const coordinator = person.start([
      'coordinator',
      '--tls',
      '--listen',
      '127.0.0.1:0',
      '--public-name',
      '127.0.0.1',
    ]);
    await coordinator.saw(/the coordinator is ready/);
    const made = z
      .object({token: z.string(), url: z.string(), caPin: z.string()})
      .parse(lastLine((await person.expect(0, ['token', 'create', '--role', 'client', '--json'])).stdout));
    await person.expect(0, ['context', 'add', 'team', made.url, '--ca-pin', made.caPin], {
      env: {MCPX_TOKEN: made.token},
    });
    const resolved = await endpoint('--context', 'team');
    assert.deepEqual(
      [resolved.url, resolved.token, resolved.pid, resolved.started],
      [made.url, made.token, null, false],
    );
    assert.equal(resolved.ca?.trim(), person.endpoint?.ca?.trim());
    assert.equal(resolved.coordinator, person.endpoint?.coordinator);
    coordinator.signal('SIGTERM');
    await coordinator.ended;
  });

  it('replaces an idle coordinator of another version, and keeps one that somebody uses', async () => {
    const older = olderBuild();
    const first = person.startWith(older, ['coordinator']);
    await first.saw(/the coordinator is ready/);
    const seen = await endpoint();
    assert.deepEqual([seen.version, seen.skew], ['0.0.9', true]);
    const kept = await observe(person, async () => endpoint('--start'));
    assert.deepEqual([kept.version, kept.started, kept.pid], ['0.0.9', false, seen.pid]);
    assert.match(kept.notice ?? '', /is mcpx 0\.0\.9; .*It is kept: 1 client is connected/);
    const replaced = await found(
      async () => {
        const now = await endpoint('--start');
        return now.started ? now : undefined;
      },
      10_000,
      'the client to have left',
    );
    assert.notEqual(replaced.pid, seen.pid);
    assert.equal(replaced.skew, false);
    assert.match(replaced.notice ?? '', /idle coordinator of mcpx 0\.0\.9 was replaced/);
    assert.equal((await first.ended).code, 0);
    assert.equal(replaced.coordinator, seen.coordinator, 'it has the same data');
  });

  it("keeps an editor's variables from what agents run, and the one that makes its executable Node for our own processes", async () => {
    const go = path.join(person.root, 'go');
    const repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'env.mcpx.yaml': `name: env\nagents: 1\ndefaults: {permissions: {allow: [Bash]}}\ntasks:\n  - {id: command, run: "env > env.txt; while ! test -e ${go}; do sleep 0.1; done"}\n  - {id: prompt, prompt: Look at the environment.}\n`,
      'env.rehearsal.yaml': `tasks:
  prompt:
    turns:
      - calls: [{tool: Bash, input: {command: "env > prompt.txt; while ! test -e ${go}; do sleep 0.1; done", description: Look}}]
      - Done.
`,
    });
    const run = person.start(['run', 'env.mcpx.yaml', '--rehearse', '--json'], {
      cwd: repository.folder,
      env: EDITOR,
    });
    const loops = () =>
      person.attemptProcesses().filter(({command}) => command === 'sleep 0.1').length >= 1 &&
      person.attemptProcesses().some(({command}) => /claude/.test(command));
    await found(() => loops() || undefined, 60_000, 'both tasks');
    const ours = person
      .processes()
      .filter(({command}) => / (coordinator|agent)\b/.test(command) && command.includes(BUNDLE));
    assert.equal(ours.length, 2, ours.map(({command}) => command).join('\n'));
    for (const {environment, command} of ours) {
      assert.equal(environment.get('ELECTRON_RUN_AS_NODE'), '1', command);
      assert.deepEqual(foreign(environment, ['ELECTRON_RUN_AS_NODE']), [], command);
    }
    const [supervisor] = ours
      .flatMap(({pid}) => childrenOf(pid))
      .filter(({command}) => / supervise$/.test(command));
    assert.match(supervisor?.environment ?? '', /(^|\0)ELECTRON_RUN_AS_NODE=1\0/);
    assert.doesNotMatch(supervisor?.environment ?? '', /VSCODE_|NODE_OPTIONS/);
    for (const {environment, command} of person.attemptProcesses())
      assert.deepEqual(foreign(environment, []), [], command);
    writeFileSync(go, '');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr + person.logs());
    const {result} = z.object({result: z.object({commit: z.string()})}).parse(lastLine(ended.stdout));
    for (const file of ['env.txt', 'prompt.txt'])
      assert.doesNotMatch(repository.show(result.commit, file), /^(ELECTRON_|VSCODE_|NODE_OPTIONS)/m);
  });

  function foreign(environment: ReadonlyMap<string, string>, allowed: readonly string[]): string[] {
    return [...environment.keys()].filter(name => Object.hasOwn(EDITOR, name) && !allowed.includes(name));
  }

  it('ends a coordinator that nothing here needs, and says when there is none', async () => {
    const {pid} = await endpoint('--start');
    assert.ok(pid);
    const stop = async (): Promise<unknown> =>
      lastLine((await person.expect(0, ['coordinator', 'stop', '--json'])).stdout);
    assert.deepEqual(await stop(), {stopped: true});
    assert.throws(() => process.kill(pid, 0), {code: 'ESRCH'});
    assert.deepEqual(await stop(), {stopped: false});
  });

  it('leaves word that a person ended it, until one is started', async () => {
    const word = stoppedFileUnder(person.mcpxHome);
    await endpoint('--start');
    assert.equal(existsSync(word), false);
    await person.expect(0, ['coordinator', 'stop']);
    assert.equal(existsSync(word), true);
    await endpoint('--start');
    assert.equal(existsSync(word), false);
  });

  it('does not end a coordinator whose run would start it again', async () => {
    const repository = UserRepository.create(person.folder('project'), person.env, {
      'wait.mcpx.yaml':
        'name: wait\ntasks:\n  - id: wait\n    run: until test -e "$GO"; do sleep 0.1; done\n    env: {GO: ' +
        person.folder('gate') +
        '/go}\n',
    });
    const plan = path.join(repository.folder, 'wait.mcpx.yaml');
    const started = await person.expect(0, ['run', plan, '--agents', '1', '--background', '--json']);
    const {session} = z.looseObject({session: z.string()}).parse(lastLine(started.stdout));
    const {code, message} = await refused(1, 'coordinator', 'stop', '--json');
    assert.deepEqual([code, message.includes(session)], ['conflict', true]);
    await endpoint();
    writeFileSync(path.join(person.folder('gate'), 'go'), '');
    const Rows = z.looseObject({
      sessions: z.array(z.looseObject({id: z.string(), state: z.string(), host: z.string()})),
    });
    const rows = async () =>
      Rows.parse(lastLine((await person.expect(0, ['sessions', 'list', '--json'])).stdout)).sessions;
    const ended = async () => (await rows()).find(({id, host}) => id === session && host === 'gone')?.state;
    assert.equal(await found(ended, 60_000, 'the end of the run'), 'succeeded');
    assert.deepEqual(lastLine((await person.expect(0, ['coordinator', 'stop', '--json'])).stdout), {
      stopped: true,
    });
  });
});

/** A supervisor has an environment of its own choice, without the mark of its person. */
function childrenOf(pid: number): {command: string; environment: string}[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.map(child => ({
    command: readFileSync(`/proc/${child}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
    environment: readFileSync(`/proc/${child}/environ`, 'utf8'),
  }));
}
