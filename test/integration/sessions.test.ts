/** What a person does with a session that has ended: look at it, take its result home, push it, offer it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import * as z from 'zod';
import {type JsonReport, jsonReport, resultCommit} from './jsonReport.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PLAN = `name: Two files
agents: 1
tasks:
  - {id: change, title: Change the text, run: "echo changed > text.txt"}
  - {id: add, dependsOn: change, run: "echo added > added.txt"}
`;

describe('mcpx sessions', function () {
  this.timeout(60_000);
  let person: Person;
  let repository: UserRepository;
  let report: JsonReport;
  let session: string;
  let start: string;
  let line: string;
  before(async () => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'text.txt': 'text\n',
      'two.mcpx.yaml': PLAN,
    });
    start = repository.git('rev-parse', 'HEAD');
    const ended = await person.expect(0, ['run', 'two.mcpx.yaml', '--json'], {cwd: repository.folder});
    line = ended.stdout;
    report = jsonReport(line);
    session = report.session;
  });
  after(() => person.leave());

  const verb = (code: number, ...args: string[]) =>
    person.expect(code, ['sessions', ...args], {cwd: repository.folder});

  /** Every test begins at the start, with a person who has a name. */
  beforeEach(() => {
    repository.git('reset', '--quiet', '--hard', start);
    repository.git('clean', '--quiet', '-fd');
    repository.git('config', 'user.name', 'Ada');
    repository.git('config', 'user.email', 'ada@localhost');
  });

  it('list it and show it, for people and for programs', async () => {
    const listed = await verb(0, 'list');
    assert.match(
      listed.stdout,
      new RegExp(`^${session} {2}succeeded {2}3/3 {2}\\$0\\.00 {2}\\S+ {2}Two files\\n$`),
    );
    const {sessions} = z
      .object({sessions: z.array(z.looseObject({id: z.string(), state: z.string(), host: z.string()}))})
      .parse(JSON.parse((await verb(0, 'list', '--json')).stdout));
    assert.deepEqual(
      sessions.map(({id, state, host}) => [id, state, host]),
      [[session, 'succeeded', 'gone']],
    );
    for (const name of [session, session.slice(2, 8), 'last']) {
      const shown = await verb(0, 'show', name);
      assert.match(shown.stdout, /change +succeeded +1 +local-1/);
    }
    assert.deepEqual(jsonReport((await verb(0, 'show', session, '--json')).stdout), report);
    const unknown = await verb(1, 'show', 's-nonesuch');
    assert.match(unknown.stderr, /there is no session "s-nonesuch"\n.*sessions list/);
  });

  it('keep a memory that a person reads and writes', async () => {
    const memory = (code: number, ...args: string[]) =>
      person.expect(code, ['memory', ...args, '--session', session]);
    await memory(1, 'get', 'api/style');
    assert.equal((await memory(0, 'put', 'api/style', '{"tabs": 2}')).stdout, 'version 1\n');
    assert.equal((await memory(0, 'get', 'api/style')).stdout, '{"tabs":2}\n');
    const late = await memory(1, 'put', 'api/style', 'plain text', '--if-version', '0');
    assert.match(late.stderr, /version/);
    await memory(0, 'put', 'api/style', 'plain text', '--if-version', '1');
    assert.equal((await memory(0, 'get', 'api/style')).stdout, '"plain text"\n');
  });

  it('fetch the result again after its branch was deleted, and into another clone', async () => {
    const {branch = ''} = report.result ?? {};
    repository.git('branch', '--quiet', '-D', branch);
    assert.equal((await verb(0, 'fetch', session)).stdout, `${branch}\n`);
    assert.equal(repository.git('rev-parse', branch), resultCommit(report));
    const clone = path.join(person.root, 'clone');
    repository.git('clone', '--quiet', repository.folder, clone);
    await person.expect(0, ['sessions', 'fetch', 'last'], {cwd: clone});
    assert.equal(new UserRepository(clone, person.env).git('rev-parse', branch), resultCommit(report));
    const elsewhere = await person.expect(1, ['sessions', 'fetch', 'last'], {cwd: person.home});
    assert.match(elsewhere.stderr, /is not in a git repository/);
  });

  it('accept the result as one commit in the name of the person', async () => {
    repository.write({'mine.txt': 'mine\n'});
    repository.commit('mine');
    const accepted = await verb(0, 'accept', session);
    assert.match(accepted.stdout, /^Accepted as [0-9a-f]{10}\.\n$/);
    assert.equal(repository.git('log', '--format=%an %s', `${start}..`), 'Ada Two files\nAda mine');
    assert.match(repository.git('log', '-1', '--format=%b'), /- change \(Change the text\): succeeded/);
    assert.equal(repository.read('text.txt'), 'changed\n');
    assert.equal(repository.read('added.txt'), 'added\n');
    assert.equal(repository.git('status', '--porcelain'), '');
    assert.match((await verb(0, 'accept', session)).stdout, /Nothing to accept/);
  });

  it("accept it as a merge with a message of one's own", async () => {
    await verb(0, 'accept', session, '--merge', '--message', 'Take both');
    assert.equal(repository.git('log', '-1', '--format=%s|%P'), `Take both|${start} ${resultCommit(report)}`);
  });

  it('change nothing where the checkout is dirty, the result conflicts, or git has no name for the person', async () => {
    repository.write({'text.txt': 'dirty\n'});
    await refused(/uncommitted work: text\.txt\n.*Nothing was changed/);
    repository.commit('other');
    await refused(/conflicts with your branch in text\.txt\n.*git merge mcpx/);
    repository.git('reset', '--quiet', '--hard', start);
    repository.git('config', '--unset', 'user.name');
    repository.git('config', '--unset', 'user.email');
    repository.git('config', 'user.useConfigOnly', 'true');
    // Git had begun: what it went through is in its reflog.
    await refused(/git refused the commit:[\s\S]*user\.email[\s\S]*Nothing was changed/, [
      '.git/ORIG_HEAD',
      '.git/logs/HEAD',
    ]);
    repository.git('config', '--unset', 'user.useConfigOnly');
  });

  async function refused(says: RegExp, mayChange: readonly string[] = []): Promise<void> {
    const before = repository.digest();
    const ended = await verb(1, 'accept', session);
    assert.match(ended.stderr, says);
    // The index caches file times, which a look at the checkout may refresh.
    const compared = (digest: Record<string, string>) =>
      Object.entries(digest).filter(([name]) => !['.git/index', ...mayChange].includes(name));
    assert.deepEqual(compared(repository.digest()), compared(before));
  }

  it('push the result, and offer it as a pull request by a link where gh cannot', async () => {
    assert.match((await verb(1, 'push', session)).stderr, /no remote to push to\n.*git remote add/);
    const bare = path.join(person.root, 'remote.git');
    repository.git('init', '--quiet', '--bare', '--initial-branch=main', bare);
    repository.git('remote', 'add', 'origin', 'https://github.com/acme/shop.git');
    repository.git('remote', 'set-url', '--push', 'origin', bare);
    const pushed = await verb(0, 'push', session);
    assert.match(pushed.stderr, /Pushed mcpx\/s-/);
    const remote = new UserRepository(bare, person.env);
    assert.equal(remote.git('rev-parse', `refs/heads/mcpx/${session}`), resultCommit(report));
    const offered = await verb(0, 'pr', session, '--base', 'main', '--title', 'Two & more');
    const link = new URL(offered.stdout.trim());
    assert.equal(link.origin + link.pathname, `https://github.com/acme/shop/compare/main...mcpx/${session}`);
    assert.equal(link.searchParams.get('title'), 'Two & more');
    assert.match(link.searchParams.get('body') ?? '', /- add: succeeded/);
    assert.match(offered.stderr, /gh/);
  });
});
