/** `mcpx run --servers`: an existing `.mcp.json` in one command, and what is said where a coordinator runs already or elsewhere. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {type Answer, ToolClient} from '../mcp/tools/toolClient.ts';
import {signal} from '../support/machine.ts';
import {jsonReport} from './jsonReport.ts';
import {Person} from './person.ts';

const LEGACY = fileURLToPath(new URL('../gateway/servers/legacyServer.mjs', import.meta.url));
const PLAN = `name: ask
workspace: none
agents: 1
defaults: {hubTools: true}
tasks:
  - {id: asked, prompt: Ask the server.}
`;
const SCRIPT = `tasks:
  asked: {turns: [{calls: [{tool: mcp__mcpx__snow__echo, input: {text: "from {{task}}"}}]}, Done.]}
`;
const SERVERS = {
  mcpServers: {
    snow: {command: 'node', args: [LEGACY, '--label', 's1']},
    asks: {command: 'node', args: ['${input:what}']},
  },
};

describe('mcpx run --servers', function () {
  this.timeout(180_000);
  let person: Person;
  let folder: string;
  const run = (...more: string[]): string[] => ['run', 'ask.mcpx.yaml', '--rehearse', ...more];
  before(() => {
    person = new Person();
    folder = person.folder('work');
    const files = {
      'ask.mcpx.yaml': PLAN,
      'ask.rehearsal.yaml': SCRIPT,
      '.mcp.json': JSON.stringify(SERVERS),
      'more.json': JSON.stringify({mcpServers: {other: {command: 'node', args: [LEGACY]}}}),
      'wrong.json': '{',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  });
  after(() => person.leave());

  async function answerIn(session: string): Promise<Answer> {
    const {endpoint} = person;
    assert.ok(endpoint);
    const hub = await ToolClient.open(endpoint);
    const {transcript} = await hub.call('task_result', {sessionId: session, taskId: 'asked', events: 100});
    await hub.close();
    return transcript.find(({kind, text}: Answer) => kind === 'output' && text === 'from asked');
  }

  it('puts the servers of the file behind the coordinator that it starts, for the prompts of the plan', async () => {
    const args = run('--servers', '.mcp.json', '--json');
    const {stdout, stderr} = await person.expect(0, args, {cwd: folder});
    assert.match(stderr, /An MCP server is left out: .*mcpServers\.asks: .*write \$\{WHAT\} instead/);
    assert.ok(await answerIn(jsonReport(stdout).session), stdout);
  });

  it('goes on with one that has them, also when that dies and is started again', async () => {
    const running = person.start(run('--servers', '.mcp.json', '--json'), {cwd: folder});
    await running.saw(/session s-\S+ "ask"/);
    const {endpoint} = person;
    assert.ok(endpoint);
    signal(endpoint.pid, 'SIGKILL');
    const {code, stdout, stderr} = await running.ended;
    assert.equal(code, 0, stderr + person.logs());
    assert.ok(await answerIn(jsonReport(stdout).session), stdout);
  });

  it('says what to do where a coordinator runs without them, and starts nothing', async () => {
    const args = run('--servers', '.mcp.json', '--servers', 'more.json');
    for (const verb of [args, ['lead', '--rehearse', 'ask.rehearsal.yaml', '--servers', 'more.json']]) {
      const {stderr, stdout} = await person.expect(2, verb, {cwd: folder});
      assert.match(
        stderr,
        /runs here already, and these servers of \S*more\.json are not behind it: other\nAdd them: mcpx servers import/,
      );
      assert.equal(stdout, '');
    }
    await person.expect(0, ['servers', 'import', 'more.json'], {cwd: folder});
    await person.expect(0, args, {cwd: folder});
  });

  it('has one of its own with --isolated', async () => {
    await person.expect(0, run('--servers', '.mcp.json', '--isolated'), {cwd: folder});
  });

  it('refuses a file that is wrong, and coordinators elsewhere', async () => {
    const cases: [string[], RegExp][] = [
      [['--rehearse', '--servers', 'wrong.json'], /wrong\.json is not JSON: [^\n]*\n$/],
      [['--rehearse', '--servers', 'nothing.json'], /cannot read \S*nothing\.json/],
      [
        ['--connect', 'ws://127.0.0.1:1', '--servers', '.mcp.json'],
        /--servers is for a coordinator that is started here, and ws:\/\/127\.0\.0\.1:1 is elsewhere/,
      ],
    ];
    for (const [args, said] of cases) {
      const {stderr} = await person.expect(2, ['run', 'ask.mcpx.yaml', ...args], {cwd: folder});
      assert.match(stderr, said);
    }
  });
});
