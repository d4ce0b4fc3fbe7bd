/** `mcpx lead` as a person has it: the real Claude Code (rehearsed) in a real pseudo-terminal, typed into, interrupted, resized, left and closed. */
import assert from 'node:assert/strict';
import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {signal} from '../support/machine.ts';
import {KEY, Terminal} from '../support/terminal.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {found, within} from '../support/waiting.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PATIENCE_MS = 90_000;
const RULE = '─';

/** What the lead says stands for what it did: calls that fail are told as such by Claude Code. */
const script = (gate: (name: string) => string): string => `tasks:
  lead:
    turns: [Here I am.]
    replies:
      - when: {promptContains: who is there}
        turns: [{calls: [{tool: mcp__mcpx__agents_list, input: {}}]}, That is who is there now.]
      - when: {promptContains: give it away}
        turns:
          - calls:
              - {tool: mcp__mcpx__task_delegate, input: {key: one, sessionId: "{{session}}", taskId: one, run: "${gate('first')}; echo one > one.txt"}}
              - {tool: mcp__mcpx__task_delegate, input: {key: two, sessionId: "{{session}}", taskId: two, prompt: Write two.txt., dependsOn: [one], more: {hubTools: true}}}
          - Both are given away.
      - when: {promptContains: think}
        turns: [{text: Thought about., hangMs: 120000}]
      - when: {promptContains: wait for them}
        turns:
          - calls: [{tool: mcp__mcpx__task_wait, input: {sessionId: "{{session}}", taskIds: [one, two], waitSeconds: 300}}]
          - The coordinator was lost in the middle.
      - when: {promptContains: once more}
        turns:
          - calls: [{tool: mcp__mcpx__task_wait, input: {sessionId: "{{session}}", taskIds: [one, two], waitSeconds: 300}}]
          - calls: [{tool: mcp__mcpx__memory_get, input: {sessionId: "{{session}}", key: word/two}}]
          - They have ended and I know the word.
      - when: {promptContains: one more}
        turns:
          - calls: [{tool: mcp__mcpx__task_delegate, input: {key: late, sessionId: "{{session}}", taskId: late, run: "${gate('last')}; echo late > late.txt"}}]
          - The last one is given away.
  two:
    turns:
      - calls: [{tool: mcp__mcpx__memory_put, input: {key: word/two, value: hello}}]
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/two.txt", content: "two\\n"}}]
      - Two is written.
`;

describe('mcpx lead in a terminal', function () {
  this.timeout(300_000);
  let person: Person;
  let repository: UserRepository;
  let file: string;
  before(function () {
    // There is no such terminal.
    if (process.platform === 'win32') return this.skip();
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {'hello.js': 'hello\n'});
    file = path.join(person.root, 'lead.rehearsal.yaml');
    writeFileSync(
      file,
      script(name => `until [ -e '${gateOf(name)}' ]; do sleep 0.1; done`),
    );
    // Claude Code asks once for each folder whether it is trusted; this person said yes before.
    const own = path.join(person.mcpxHome, 'agents', 'lead');
    const projects = {[repository.folder]: {hasTrustDialogAccepted: true}};
    mkdirSync(own, {recursive: true});
    writeFileSync(path.join(own, '.claude.json'), JSON.stringify({projects}));
  });
  const terminals: Terminal[] = [];
  afterEach(async () => {
    for (const terminal of terminals.splice(0)) {
      terminal.hangUp();
      await ended(terminal);
    }
  });
  after(() => person?.leave());

  const gateOf = (name: string): string => path.join(person.root, `gate-${name}`);
  const open = (name: string): void => writeFileSync(gateOf(name), '');

  function lead(...more: string[]): Terminal {
    const command = [process.execPath, BUNDLE, 'lead', '--rehearse', file, ...more];
    return openTerminal(command);
  }

  function openTerminal(command: readonly string[]): Terminal {
    const terminal = new Terminal(command, {cwd: repository.folder, env: person.env});
    terminals.push(terminal);
    return terminal;
  }

  const ended = (terminal: Terminal): Promise<number> =>
    within(terminal.ended, PATIENCE_MS, () => `the lead to end:\n${terminal.text.slice(-4000)}`);

  const sessionOf = async (terminal: Terminal): Promise<string> =>
    (await terminal.sawMatch(/Session(s-[0-9a-f]{12})isopen/))[1] ?? '';

  it('is typed into, interrupted and resized, outlives its coordinator, and shows what is left to do when it is left', async () => {
    const terminal = lead('--goal', '- Say where you are.');
    const session = await sessionOf(terminal);
    await terminal.saw('Here I am.');
    await terminal.say('Tell me who is there');
    await terminal.saw('That is who is there now.');
    await terminal.say('Now give it away');
    await terminal.saw('Both are given away.');

    await terminal.say('Now think');
    await terminal.saw('esc to interrupt');
    terminal.type(KEY.interrupt);
    terminal.resize(64, 30);
    await terminal.sawMatch(new RegExp(`(?<!${RULE})${RULE}{64}(?!${RULE})`));

    // What was interrupted is in the line again.
    terminal.type(KEY.clearLine);
    await terminal.say('Now wait for them');
    await terminal.saw('0 of 2 tasks have ended');
    const {endpoint} = person;
    assert.ok(endpoint);
    signal(endpoint.pid, 'SIGKILL');
    await terminal.saw('1 failed', 20_000);
    await terminal.saw('The coordinator was lost in the middle.');
    open('first');
    await terminal.say('Ask once more');
    await terminal.saw('They have ended and I know the word.');
    assert.doesNotMatch(terminal.text.slice(terminal.text.lastIndexOf('once more')), /failed/);

    await terminal.say('Give it one more');
    await terminal.saw('The last one is given away.');
    const refused = await person.expect(1, ['sessions', 'resume', session]);
    assert.match(refused.stderr, /is being run here/, 'while it is led');
    await terminal.say('/exit');
    await terminal.saw('The coordinator had gone and was started again.');
    await terminal.saw('1 task has not ended yet. Ctrl+C leaves it');
    await terminal.saw('2/4 done');
    open('last');
    await terminal.saw(`Session ${session} succeeded: 4 of 4 tasks`);
    await terminal.saw(`accept  mcpx sessions accept ${session}`);
    assert.equal(await ended(terminal), 0);
    assert.deepEqual(repository.files(`mcpx/${session}`), ['hello.js', 'late.txt', 'one.txt', 'two.txt']);
  });

  it('leaves what is queued to whoever resumes it, with the script that it was begun with, and says so to the next one', async () => {
    const terminal = lead('--agents', '1', '--goal', 'Hello');
    const session = await sessionOf(terminal);
    await terminal.saw('Here I am.');
    for (const name of ['first', 'last']) closeGate(name);
    await terminal.say('Now give it away');
    await terminal.saw('Both are given away.');
    await terminal.say('/exit');
    await terminal.saw('2 tasks have not ended yet. Ctrl+C leaves them');
    terminal.type(KEY.interrupt);
    await terminal.saw(`To go on: mcpx sessions resume ${session}`);
    assert.equal(await ended(terminal), 0, 'what Claude Code ended with');
    assert.deepEqual(person.attemptProcesses(), []);

    const next = ['lead', '--rehearse', file, '--agents', '1', '--goal', 'Hello', '--', '--print'];
    const {stdout, stderr} = await person.expect(0, next, {cwd: repository.folder});
    assert.match(stdout, /Here I am/);
    assert.match(stderr, new RegExp(`Session ${session} .* To go on: mcpx sessions resume ${session}\\.`));
    open('first');
    await person.expect(0, ['sessions', 'resume', session], {cwd: person.home});
    assert.deepEqual(repository.files(`mcpx/${session}`), ['hello.js', 'one.txt', 'two.txt']);
  });

  it('ends with its window; a second one in the same repository goes on', async () => {
    closeGate('first');
    const [closed, other] = [
      lead('--agents', '1', '--goal', 'Hello'),
      lead('--agents', '1', '--goal', 'Hello'),
    ];
    const [gone, stays] = [await sessionOf(closed), await sessionOf(other)];
    for (const terminal of [closed, other]) {
      await terminal.saw('Here I am.');
      await terminal.say('Now give it away');
      await terminal.saw('Both are given away.');
    }
    closed.hangUp();
    assert.equal(await ended(closed), 129, 'as a shell says it of a terminal that went away');
    const {stdout} = await person.expect(0, ['sessions', 'list', '--json']);
    const {sessions} = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {sessions: Listed[]};
    const states = Object.fromEntries(sessions.map(({id, state, open, host}) => [id, [state, open, host]]));
    assert.deepEqual(
      states[gone],
      ['running', undefined, 'gone'],
      'it takes no more tasks, and can be resumed',
    );
    assert.deepEqual(states[stays], ['running', true, 'running']);
    open('first');
    await other.say('/exit');
    await other.saw(`Session ${stays} succeeded: 3 of 3 tasks`);
    assert.equal(await ended(other), 0);
    await person.expect(0, ['sessions', 'cancel', gone]);
  });

  it('lets its agents work on while its terminal has stopped it', async () => {
    closeGate('first');
    const inner = [process.execPath, BUNDLE, 'lead', '--rehearse', file, '--agents', '1', '--goal', 'Hello'];
    const quoted = inner.map(word => `'${word}'`).join(' ');
    const shell = ['bash', '--norc', '-c', `set -m; ${quoted}; echo STOPPED; read line; fg`];
    const terminal = openTerminal(shell);
    const session = await sessionOf(terminal);
    await terminal.saw('Here I am.');
    await terminal.say('Now give it away');
    await terminal.saw('Both are given away.');
    terminal.type(KEY.suspend);
    await terminal.saw('STOPPED');
    open('first');
    await found(
      async () => {
        const shown = await person.mcpx(['sessions', 'show', session]);
        return /✔ one/.test(shown.stdout) ? true : undefined;
      },
      PATIENCE_MS,
      'the first task to succeed',
    );
    terminal.type(KEY.enter);
    await terminal.saw('auto mode');
    await terminal.say('/exit');
    await terminal.saw(`Session ${session} succeeded: 3 of 3 tasks`);
    assert.equal(await ended(terminal), 0);
  });

  it('is left before Claude Code has begun: nothing stays behind', async () => {
    const terminal = lead('--goal', 'Never begun');
    await terminal.saw('Starting 3 agents');
    terminal.type(KEY.interrupt);
    assert.equal(await ended(terminal), 130);
    const {stdout} = await person.expect(0, ['sessions', 'list']);
    assert.doesNotMatch(stdout, /Never begun/);
  });

  function closeGate(name: string): void {
    rmSync(gateOf(name), {force: true});
  }
});

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly open?: true;
  readonly host: string;
}
