/** Another machine by ssh alone: a real sshd on loopback, whose users are another person with a home of their own. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {bundledExecutable} from '../../coordinator/agent/claudeSetup/findClaude.ts';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {missingSshServer, SshServer} from '../support/sshServer.ts';
import {found} from '../support/waiting.ts';
import {jsonReport, resultCommit} from './jsonReport.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PLAN = `name: far
agents: 1
tasks:
  - {id: command, run: "echo far > command.txt"}
  - {id: prompt, prompt: Write a file.}
`;
const SCRIPT = `tasks:
  prompt:
    turns:
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/prompt.txt", content: "far\\n"}}]
      - Done.
`;
const Added = z.strictObject({
  machine: z.string(),
  destination: z.string(),
  pid: z.number(),
  log: z.string(),
  slots: z.number(),
  version: z.string(),
  program: z.string(),
  copied: z.boolean(),
  node: z.string(),
  platform: z.string(),
  arch: z.string(),
  claude: z.looseObject({verdict: z.string(), detail: z.string()}).nullable(),
  others: z.array(z.strictObject({version: z.string(), folder: z.string()})),
});
const Machines = z.strictObject({
  machines: z.array(
    z.looseObject({
      machine: z.string(),
      tunnel: z.enum(['open', 'opening', 'gone']),
      port: z.number().nullable(),
    }),
  ),
});

describe('a machine reached by ssh', function () {
  this.timeout(240_000);
  let near: Person;
  let far: Person;
  let server: SshServer;
  let model: RehearsalServer;
  let repository: UserRepository;

  before(async function () {
    const missing = missingSshServer();
    if (missing !== undefined) {
      console.log(`      skipped: ${missing}`);
      this.skip();
    }
    [near, far] = [new Person(), new Person()];
    model = await startRehearsalServer({
      clock: systemClock,
      logger: silentLogger,
      script: parseRehearsalScript(SCRIPT, 'script'),
    });
    const programs = far.folder('programs');
    symlinkSync(bundledExecutable() ?? '', path.join(programs, 'claude'));
    const {PATH: searched, ...env} = far.env;
    server = await SshServer.start(far.folder('sshd'), {
      ...env,
      ...model.env,
      PATH: `${programs}:${searched}`,
    });
    repository = UserRepository.create(path.join(near.root, 'repo'), near.env, {'far.mcpx.yaml': PLAN});
  });
  after(async () => {
    if (!server) return;
    await server.stop();
    await model.stop();
    for (const person of [near, far]) await person.leave();
  });

  const verb = async (code: number, ...args: string[]) => {
    const ended = await near.expect(code, [...args, '--json']);
    assert.match(ended.stdout, /^\{[^\n]*\}\n$/);
    return {answer: JSON.parse(ended.stdout) as unknown, stderr: ended.stderr};
  };
  const reach = (...more: string[]) => [
    ...['machine', 'add', server.destination, '--node', process.execPath, ...more],
    ...['--ssh-option', ...server.options],
  ];
  const tunnels = () => near.processes().filter(({command}) => /^ssh .* -R 127\.0\.0\.1:/.test(command));
  const agents = () => far.processes().filter(({command}) => /mcpx\.mjs agent --id far /.test(command));
  const tunnel = async () => Machines.parse((await verb(0, 'machine', 'list')).answer).machines[0];

  async function runThere(): Promise<void> {
    const {url, token} = near.endpoint ?? {url: '', token: ''};
    const ended = await near.expect(0, ['run', 'far.mcpx.yaml', '--json', '--connect', url], {
      cwd: repository.folder,
      env: {MCPX_TOKEN: token},
    });
    const report = jsonReport(ended.stdout);
    for (const {attempts} of report.tasks) assert.equal(attempts.at(-1)?.agent, 'far');
    for (const file of ['command.txt', 'prompt.txt'])
      assert.equal(repository.show(resultCommit(report), file), 'far');
  }

  it('gets this very program, hash by hash, and works through the tunnel: commands and real Claude Code', async () => {
    const {answer, stderr} = await verb(0, ...reach('--name', 'far', '--slots', '3', '--region', 'moon'));
    const added = Added.parse(answer);
    assert.deepEqual([added.machine, added.slots, added.copied, added.others], ['far', 3, true, []]);
    assert.match(stderr, /Copying mcpx/);
    assert.ok(added.program.startsWith(path.join(far.mcpxHome, 'programs')), 'in the home of the other user');
    assert.ok(existsSync(path.join(added.program, 'node_modules/@anthropic-ai/claude-agent-sdk/sdk.mjs')));
    assert.equal(added.claude?.verdict, 'ok', added.claude?.detail);
    assert.match(
      (await near.expect(0, ['status'])).stdout,
      /far {2}idle {2}3 slots {2}claude: ready {2}moon/,
    );
    await runThere();
  });

  it('shows its token to nobody on either side', () => {
    const record = readFileSync(path.join(near.mcpxHome, 'machines/far/record.json'), 'utf8');
    const {token} = z.object({token: z.string().min(32)}).parse(JSON.parse(record));
    const shown = readdirSync('/proc').flatMap(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(token) ? [pid] : [];
      } catch {
        return [];
      }
    });
    assert.deepEqual(shown, []);
  });

  it('is reached again when its tunnel was cut, on the same port, by the same agent', async () => {
    const before = await tunnel();
    const [agent] = agents();
    const [cut] = tunnels();
    assert.ok(before && agent && cut);
    process.kill(cut.pid, 'SIGKILL');
    await found(
      async () => {
        const now = tunnels()[0];
        return (now && now.pid !== cut.pid && (await tunnel())?.tunnel === 'open') || undefined;
      },
      90_000,
      'the tunnel to be open again',
    );
    assert.equal((await tunnel())?.port, before.port);
    assert.deepEqual(
      agents().map(({pid}) => pid),
      [agent.pid],
    );
    await runThere();
  });

  it('is sent nothing that it has, and gets what was damaged again; other builds there are named', async () => {
    const twice = await verb(1, ...reach('--name', 'far'));
    assert.match(JSON.stringify(twice.answer), /"code":"conflict"/);
    const same = Added.parse((await verb(0, ...reach('--name', 'second', '--claude', 'off'))).answer);
    assert.equal(same.copied, false);
    await verb(0, 'machine', 'remove', 'second');
    appendFileSync(path.join(same.program, 'mcpx.mjs'), '\n// damaged\n');
    const older = path.join(path.dirname(same.program), 'older');
    mkdirSync(older);
    writeFileSync(path.join(older, 'version'), '0.0.9');
    const again = await verb(0, ...reach('--name', 'second', '--claude', 'off'));
    const mended = Added.parse(again.answer);
    assert.deepEqual([mended.copied, mended.program], [true, same.program]);
    assert.deepEqual(mended.others, [{version: '0.0.9', folder: older}]);
    assert.match(again.stderr, /mcpx 0\.0\.9 is there too, of another version/);
    await verb(0, 'machine', 'remove', 'second');
  });

  it('says what is in the way of a machine, and starts nothing', async () => {
    const closed = await verb(
      1,
      'machine',
      'add',
      server.destination,
      '--name',
      'no',
      '--ssh-option',
      'Port=1',
    );
    assert.match(JSON.stringify(closed.answer), /"code":"unavailable".*does not get to/);
    const nodeless = await verb(
      1,
      'machine',
      'add',
      server.destination,
      '--name',
      'no',
      '--node',
      'no-such-node',
      '--ssh-option',
      ...server.options,
    );
    assert.match(JSON.stringify(nodeless.answer), /"code":"notFound".*no-such-node/);
    assert.equal((await verb(1, 'machine', 'remove', 'no')).stderr.includes('There are: far.'), true);
  });

  it('is left by its agent when it is removed', async () => {
    const {answer} = await verb(0, 'machine', 'remove', 'far');
    assert.deepEqual(answer, {machine: 'far', removed: true, notice: null});
    assert.deepEqual(tunnels(), []);
    await far.assertNothingRuns(20_000);
    assert.deepEqual((await verb(0, 'machine', 'list')).answer, {machines: []});
  });
});
