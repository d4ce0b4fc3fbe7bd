/** What attempts find in their worktrees and environments beside the commits: set-up, included files, variables, secrets. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {jsonReport, resultCommit, statuses} from './jsonReport.ts';
import {observe, sessionFacts, transcriptOf} from './observe.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const SECRET = 'hunter2-and-a-half';

describe('what attempts find', function () {
  this.timeout(60_000);
  let person: Person;
  let repository: UserRepository;
  let setups: string;
  before(() => {
    person = new Person();
    setups = path.join(person.root, 'setups.log');
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      '.gitignore': 'deps/\n.env\nlocal/\n',
      'lock.txt': 'one\n',
    });
  });
  after(() => person.leave());

  const run = (plan: string, env: Readonly<Record<string, string>> = {}, ...more: string[]) => {
    // Outside of the checkout's history: plans change from test to test.
    repository.write({'local/plan.mcpx.yaml': plan});
    return person.mcpx(['run', 'local/plan.mcpx.yaml', '--json', ...more], {cwd: repository.folder, env});
  };

  it('set-up runs once for each tree, and again when it changes', async () => {
    const plan = (setup: string) => `name: setup
agents: 1
workspace:
  setup: ["echo ran >> ${setups} && mkdir -p deps && ${setup} > deps/dep.txt"]
defaults: {retry: {max: 0}}
tasks:
  - {id: a, run: "cp deps/dep.txt a.txt"}
  - {id: b, run: "cat deps/dep.txt deps/dep.txt > b.txt"}
`;
    const count = () => readFileSync(setups, 'utf8').split('\n').length - 1;
    const first = await run(plan('cat lock.txt'));
    assert.equal(first.code, 0, first.stderr + person.logs());
    const commit = resultCommit(jsonReport(first.stdout));
    assert.equal(repository.show(commit, 'b.txt'), 'one\none');
    assert.ok(!repository.files(commit).some(name => name.startsWith('deps')));
    assert.ok(!existsSync(path.join(repository.folder, 'deps')));
    assert.equal(count(), 2, 'for the start and for the result');
    const again = await run(plan('cat lock.txt'));
    assert.equal(again.code, 0, again.stderr);
    assert.equal(count(), 2);
    const changed = await run(plan('echo two'));
    assert.equal(repository.show(resultCommit(jsonReport(changed.stdout)), 'b.txt'), 'two\ntwo');
    assert.equal(count(), 4);
  });

  it('worktrees go with their run, but for those of failed tasks, or all when they are to be kept', async () => {
    const plan = `name: keep
agents: 1
defaults: {retry: {max: 0}}
tasks:
  - {id: good, run: "echo good > good.txt"}
  - {id: bad, dependsOn: good, run: "echo half > half.txt; exit 1"}
`;
    const first = await run(plan);
    assert.equal(first.code, 1);
    const failed = `${jsonReport(first.stdout).session}.bad.1`;
    const names = (): string[] =>
      person
        .attemptFolders()
        .map(folder => path.basename(folder))
        .sort();
    assert.deepEqual(names(), [failed]);
    const [folder = ''] = person.attemptFolders();
    assert.equal(readFileSync(path.join(folder, 'worktree/half.txt'), 'utf8'), 'half\n');

    const {session} = jsonReport((await run(plan, {}, '--keep')).stdout);
    assert.deepEqual(names(), [failed, `${session}.bad.1`, `${session}.good.1`].sort());
  });

  it('a set-up that fails is named with what it said', async () => {
    const ended = await run(`name: broken
agents: 1
workspace: {setup: ["echo no network >&2; exit 7"]}
defaults: {retry: {max: 0}}
tasks: [{id: a, run: "true"}]
`);
    assert.equal(ended.code, 1);
    assert.equal(statuses(jsonReport(ended.stdout))['a'], 'failed');
    assert.match(ended.stderr, /exit 7/);
    assert.match(ended.stderr, /no network/);
  });

  it('included files reach every worktree and never the result', async () => {
    repository.write({'.env': 'PORT=8080\n', 'local/deep/key.txt': 'key\n'});
    const before = repository.digest();
    const ended = await run(`name: include
agents: 1
workspace: {include: [.env, local/deep]}
tasks:
  - {id: a, run: "cut -c1-4 .env > seen.txt && cat local/deep/key.txt >> seen.txt && echo changed > .env"}
  - {id: b, dependsOn: a, run: "cut -c1-4 .env > again.txt"}
`);
    assert.equal(ended.code, 0, ended.stderr + person.logs());
    const commit = resultCommit(jsonReport(ended.stdout));
    assert.equal(repository.show(commit, 'seen.txt'), 'PORT\nkey');
    assert.equal(repository.show(commit, 'again.txt'), 'PORT');
    assert.deepEqual(repository.files(commit), ['.gitignore', 'again.txt', 'lock.txt', 'seen.txt']);
    const {'local/plan.mcpx.yaml': _, ...after} = repository.digest();
    const {'local/plan.mcpx.yaml': __, ...untouched} = before;
    assert.deepEqual(after, untouched);

    const missing = await run(
      'name: m\nagents: 1\nworkspace: {include: [nonesuch.env]}\ntasks: [{id: a, run: "true"}]\n',
    );
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /workspace\.include: nothing in .* matches nonesuch\.env/);
  });

  it('variables of the plan, its defaults and its tasks, the nearest wins', async () => {
    const ended = await run(`name: env
agents: 1
env: {A: plan, B: plan, C: plan}
defaults: {env: {B: defaults, C: defaults}}
tasks:
  - {id: a, env: {C: task, N: 3}, run: "echo $A $B $C $N > env.txt"}
`);
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(repository.show(resultCommit(jsonReport(ended.stdout)), 'env.txt'), 'plan defaults task 3');
  });

  it('a secret that nobody has fails the task by its name', async () => {
    const ended = await run('name: s\nagents: 1\ntasks: [{id: a, secrets: [NO_SUCH_TOKEN], run: "true"}]\n');
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /NO_SUCH_TOKEN/);
    const report = jsonReport(ended.stdout);
    await observe(person, async client => {
      const {tasks} = await sessionFacts(client, report.session);
      assert.equal(tasks.get('a')?.failure?.kind, 'secrets');
    });
  });

  it('a secret reaches the task and nobody else', async () => {
    const ended = await run(
      `name: s
agents: 1
tasks:
  - {id: a, secrets: [SHOP_TOKEN], run: "echo the token is $SHOP_TOKEN; echo also $SHOP_TOKEN >&2; printf %s $SHOP_TOKEN | wc -c | tr -d ' ' > length.txt"}
  - {id: b, run: "printf %s \\"$SHOP_TOKEN\\" | wc -c | tr -d ' ' > other.txt"}
`,
      {SHOP_TOKEN: SECRET},
    );
    assert.equal(ended.code, 0, ended.stderr);
    const report = jsonReport(ended.stdout);
    assert.equal(repository.show(resultCommit(report), 'length.txt'), String(SECRET.length));
    assert.doesNotMatch(ended.stderr + person.logs(), new RegExp(SECRET));
    await observe(person, async client => {
      const facts = await sessionFacts(client, report.session);
      const [attempt] = facts.attemptsOf('a');
      const output = (await transcriptOf(client, attempt?.id ?? ''))
        .flatMap(event => (event.kind === 'output' ? [event.text] : []))
        .join('');
      assert.match(output, /the token is \S+\n/);
      assert.match(output, /also \S+\n/);
      assert.doesNotMatch(output, new RegExp(SECRET));
      assert.doesNotMatch(JSON.stringify([...facts.tasks.values(), attempt]), new RegExp(SECRET));
    });
  });
});
