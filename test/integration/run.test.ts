/** `mcpx run` from start to result: the branch, the untouched repository, exit codes and reports. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {jsonReport, outcomes, resultCommit, statuses} from './jsonReport.ts';
import {Person} from './person.ts';
import {elementsOf, readXml} from './readXml.ts';
import {UserRepository} from './userRepository.ts';

const WORKS = `name: works
agents: 2
tasks:
  - {id: one, run: "cat base.txt > one.txt"}
  - {id: two, run: "echo two > two.txt && rm gone.txt"}
  - {id: both, dependsOn: [one, two], run: "cat one.txt two.txt > both.txt && test ! -e gone.txt"}
gates:
  - test -s both.txt
`;
const FAILS = `name: "fails <&\\"]]>"
agents: 1
defaults: {retry: {max: 0}}
tasks:
  - {id: good, run: echo good > good.txt}
  - {id: bad, run: "printf '\\\\033[31mred\\\\033[0m ]]> <&' >&2; exit 3"}
  - {id: never, dependsOn: bad, run: echo never > never.txt}
`;

describe('mcpx run', function () {
  this.timeout(90_000);
  let person: Person;
  let repository: UserRepository;
  before(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'base.txt': 'base\n',
      'gone.txt': 'gone\n',
      '.gitignore': 'ignored/\n',
      'works.mcpx.yaml': WORKS,
      'fails.mcpx.yaml': FAILS,
    });
  });
  after(() => person.leave());

  const run = (plan: string, ...args: string[]) =>
    person.mcpx(['run', plan, '--json', ...args], {cwd: repository.folder});

  it('leaves one branch with every result and touches nothing else, whatever is under way in the checkout', async () => {
    repository.write({'stashed.txt': 'stashed\n'});
    repository.git('stash', '--include-untracked');
    repository.git('tag', 'v1');
    repository.git('branch', 'side');
    repository.git('remote', 'add', 'origin', 'https://example.invalid/team.git');
    repository.write({
      'base.txt': 'edited\n',
      'staged.txt': 'staged\n',
      'untracked.txt': 'u\n',
      'ignored/x': 'x\n',
    });
    repository.git('add', 'staged.txt');
    const before = repository.digest();

    const junit = path.join(person.root, 'reports/mcpx/works.xml');
    const ended = await run('works.mcpx.yaml', '--junit', junit);
    assert.equal(ended.code, 0, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.deepEqual(statuses(report), {one: 'succeeded', two: 'succeeded', both: 'succeeded'});
    for (const task of report.tasks) assert.deepEqual(outcomes(report, task.id), ['succeeded']);
    assert.equal(report.result?.branch, `mcpx/${report.session}`);
    const commit = resultCommit(report);
    assert.equal(repository.git('rev-parse', `refs/heads/mcpx/${report.session}`), commit);
    assert.deepEqual(repository.git('diff', '--name-status', 'main', commit).split('\n').sort(), [
      'A\tboth.txt',
      'A\tone.txt',
      'A\ttwo.txt',
      'D\tgone.txt',
    ]);
    assert.equal(repository.show(commit, 'both.txt'), 'base\ntwo');
    assert.equal(repository.git('merge-base', 'main', commit), repository.git('rev-parse', 'main'));

    assert.deepEqual(repository.digest(), before);
    assert.deepEqual(repository.branches(), ['main', `mcpx/${report.session}`, 'side']);
    assert.match(ended.stderr, /Uncommitted work stays behind: 3 files .*--uncommitted/);
    assert.match(ended.stderr, /3 of 3|4 of 4/);
    const suite = readXml(readFileSync(junit, 'utf8'));
    assert.equal(suite.attributes['failures'], '0');
    assert.equal(suite.attributes['tests'], String(elementsOf(suite, 'testcase').length));
  });

  it('takes uncommitted work along when it is asked to, and only that', async () => {
    const before = repository.digest();
    const ended = await run('works.mcpx.yaml', '--uncommitted');
    assert.equal(ended.code, 0, ended.stderr);
    const commit = resultCommit(jsonReport(ended.stdout));
    assert.equal(repository.show(commit, 'one.txt'), 'edited');
    assert.equal(repository.show(commit, 'staged.txt'), 'staged');
    assert.equal(repository.show(commit, 'untracked.txt'), 'u');
    assert.ok(!repository.files(commit).includes('ignored/x'));
    assert.match(ended.stderr, /Taking uncommitted work along: 3 files/);
    assert.deepEqual(repository.digest(), before);
  });

  it('ends with 1 when a task fails, and says which and why in every report', async () => {
    const file = path.join(person.root, 'fails.xml');
    const ended = await run('fails.mcpx.yaml', '--junit', file);
    assert.equal(ended.code, 1, ended.stderr);
    const report = jsonReport(ended.stdout);
    assert.equal(report.status, 'failed');
    assert.deepEqual(statuses(report), {good: 'succeeded', bad: 'failed', never: 'cancelled'});
    assert.deepEqual(outcomes(report, 'bad'), ['failed']);
    assert.deepEqual(outcomes(report, 'never'), []);
    assert.match(ended.stderr, /bad/);
    assert.match(ended.stderr, /exit(ed with)? code 3|exit 3/);
    assert.doesNotMatch(ended.stderr, /^\s+at .*:\d+:\d+\)?$/m);

    const suites = readXml(readFileSync(file, 'utf8'));
    assert.equal(suites.name, 'testsuites');
    const [suite] = elementsOf(suites, 'testsuite');
    assert.equal(suite?.attributes['name'], 'fails <&"]]>');
    assert.equal(suite?.attributes['failures'], '1');
    const cases = elementsOf(suites, 'testcase');
    const bad = cases.find(({attributes}) => attributes['name'] === 'bad');
    assert.equal(bad && elementsOf(bad, 'failure').length, 1);
    assert.match(bad?.children[0]?.text ?? '', /red \]\]> <&/);
    const never = cases.find(({attributes}) => attributes['name'] === 'never');
    assert.equal(never && elementsOf(never, 'skipped').length, 1);
  });

  it('goes on when nobody reads its words any more', async () => {
    const started = person.start(['run', 'works.mcpx.yaml'], {cwd: repository.folder});
    started.child.stdout?.destroy();
    assert.equal((await started.ended).code, 0, started.stderr);
    assert.match((await person.expect(0, ['sessions', 'list'])).stdout, /^s-\S+ {2}succeeded {2}4\/4/);
  });

  it('runs tasks in empty folders without a repository', async () => {
    const folder = person.folder('nowhere');
    writeFileSync(
      path.join(folder, 'none.mcpx.yaml'),
      'name: none\nagents: 1\nworkspace: none\ntasks:\n  - {id: empty, run: "test -z \\"$(ls -A)\\" && test -z \\"$(git rev-parse --git-dir 2>/dev/null)\\""}\n',
    );
    const ended = await person.mcpx(['run', 'none.mcpx.yaml', '--json'], {cwd: folder});
    assert.equal(ended.code, 0, ended.stderr + person.logs());
    const report = jsonReport(ended.stdout);
    assert.equal(report.result, null);
    assert.deepEqual(statuses(report), {empty: 'succeeded'});
  });
});

describe('mcpx run from unusual checkouts', function () {
  this.timeout(60_000);
  let person: Person;
  before(() => {
    person = new Person();
  });
  after(() => person.leave());

  it('works in a linked worktree with a detached HEAD, from a folder below its root, whatever the names are', async () => {
    const main = UserRepository.create(path.join(person.root, 'main'), person.env, {'base.txt': 'old\n'});
    main.write({'base.txt': 'new\n', "sub/ein 'Plan' ü.mcpx.yaml": WORKS.replace('gone.txt', 'base.txt')});
    const head = main.commit('more');
    const folder = path.join(person.root, "it's a #wörktree [1]");
    main.git('worktree', 'add', '--quiet', '--detach', folder, head);
    const before = main.digest();
    const ended = await person.expect(0, ['run', "ein 'Plan' ü.mcpx.yaml", '--json'], {
      cwd: path.join(folder, 'sub'),
    });
    const commit = resultCommit(jsonReport(ended.stdout));
    assert.equal(main.show(commit, 'one.txt'), 'new');
    assert.equal(main.git('merge-base', head, commit), head);
    assert.deepEqual(main.digest(), before);
  });
});

describe('mcpx run of a repository at a URL', function () {
  this.timeout(60_000);
  let person: Person;
  before(() => {
    person = new Person();
  });
  after(() => person.leave());

  it('needs no checkout, and its result is fetched into any clone', async () => {
    const origin = UserRepository.create(path.join(person.root, 'origin'), person.env, {
      'base.txt': 'base\n',
      'gone.txt': '',
    });
    const url = `file://${origin.folder}`;
    const folder = person.folder('plans');
    writeFileSync(
      path.join(folder, 'far.mcpx.yaml'),
      `workspace: {repository: "${url}", ref: main}\n${WORKS}`,
    );
    const before = origin.digest();
    const ended = await person.expect(0, ['run', 'far.mcpx.yaml', '--json'], {cwd: folder});
    const report = jsonReport(ended.stdout);
    assert.match(ended.stderr, new RegExp(`In a clone: mcpx sessions fetch ${report.session}`));
    assert.deepEqual(origin.digest(), before);
    assert.deepEqual(origin.branches(), ['main']);
    const clone = path.join(person.root, 'clone');
    origin.git('clone', '--quiet', url, clone);
    await person.expect(0, ['sessions', 'fetch', report.session], {cwd: clone});
    assert.equal(new UserRepository(clone, person.env).show(resultCommit(report), 'one.txt'), 'base');
    const lost = await person.expect(2, ['run', 'far.mcpx.yaml', '--isolated'], {cwd: folder});
    assert.match(lost.stderr, /nowhere to leave the result/);
  });
});

describe('mcpx run that cannot begin', function () {
  this.timeout(60_000);
  let person: Person;
  before(() => {
    person = new Person();
  });
  after(() => person.leave());

  const PLAN = 'name: p\nagents: 1\ntasks:\n  - {id: a, run: "true"}\n';

  const cases: readonly {
    readonly title: string;
    readonly prepare: (folder: string) => string;
    readonly args?: readonly string[];
    readonly code: 1 | 2;
    readonly says: RegExp;
  }[] = [
    {
      title: 'a missing plan',
      prepare: () => 'absent.mcpx.yaml',
      code: 2,
      says: /absent\.mcpx\.yaml.*(no such|not there|does not exist|cannot)/i,
    },
    {
      title: 'a plan with a misspelt key and an unknown dependency, each by line and column',
      prepare: folder => write(folder, 'name: p\ntasks:\n  - {id: a, rum: "true"}\n'),
      code: 2,
      says: /plan\.mcpx\.yaml:3:\d+.*rum/,
    },
    {
      title: 'a plan that is not YAML',
      prepare: folder => write(folder, 'name: [p\n'),
      code: 2,
      says: /plan\.mcpx\.yaml:\d+:\d+/,
    },
    {
      title: 'a folder as plan',
      prepare: () => '.',
      code: 2,
      says: /\.: error: /,
    },
    {
      title: 'an unknown option',
      prepare: folder => write(folder, PLAN),
      args: ['--fast'],
      code: 2,
      says: /unknown option '--fast'/,
    },
    {
      title: 'a count that is none',
      prepare: folder => write(folder, PLAN),
      args: ['--agents', 'many'],
      code: 2,
      says: /"many" is not a number of 1 or more/,
    },
    {
      title: 'a folder that is no repository',
      prepare: folder => write(folder, PLAN),
      code: 1,
      says: /is not in a git repository.*\n.*git init/,
    },
    {
      title: 'a repository without a commit',
      prepare: folder => {
        new UserRepository(folder, person.env).git('init', '--quiet');
        return write(folder, PLAN);
      },
      code: 1,
      says: /has no commit yet\n.*first commit/,
    },
    {
      title: 'a ref that the repository does not have',
      prepare: folder => {
        UserRepository.create(folder, person.env, {'a.txt': 'a'});
        return write(folder, `${PLAN}workspace: {ref: nonesuch}\n`);
      },
      code: 1,
      says: /no branch, tag or commit "nonesuch"/,
    },
    {
      title: 'a rehearsal script with a fault, by line and column',
      prepare: folder => {
        writeFileSync(path.join(folder, 'plan.rehearsal.yaml'), 'tasks:\n  a:\n    turnz: []\n');
        return write(folder, PLAN);
      },
      args: ['--rehearse'],
      code: 2,
      says: /plan\.rehearsal\.yaml:3:\d+: .*turnz/,
    },
    {
      title: 'a report that cannot be written',
      prepare: folder => write(folder, PLAN),
      args: ['--junit', 'plan.mcpx.yaml/report.xml'],
      code: 2,
      says: /cannot write the report .*report\.xml/,
    },
    {
      title: 'an address that is none',
      prepare: folder => write(folder, PLAN),
      args: ['--connect', 'somewhere'],
      code: 2,
      says: /"somewhere" is neither a ws:\/\/ or wss:\/\/ address nor a context/,
    },
  ];

  function write(folder: string, plan: string): string {
    writeFileSync(path.join(folder, 'plan.mcpx.yaml'), plan);
    return 'plan.mcpx.yaml';
  }

  for (const [index, {title, prepare, args = [], code, says}] of cases.entries())
    it(`names ${title}`, async () => {
      const folder = person.folder(`case-${index}`);
      const plan = prepare(folder);
      const ended = await person.mcpx(['run', plan, '--json', ...args], {cwd: folder});
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, says);
      assert.doesNotMatch(ended.stderr, /^\s+at /m, 'no stack');
      assert.match(
        ended.stdout,
        /^\{"error":\{"code":"[a-zA-Z]+","message":.*\}\}\n$/,
        'the error, for programs',
      );
    });
});
