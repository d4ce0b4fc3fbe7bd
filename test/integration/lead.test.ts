/** `mcpx lead`: the user's own Claude Code (rehearsed) plans and delegates to agents of this machine, as the example has it. */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {git} from '../support/gitProject.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const SCRIPT = fileURLToPath(new URL('../../examples/lead/lead.rehearsal.yaml', import.meta.url));

describe('mcpx lead', function () {
  this.timeout(240_000);
  let person: Person;
  let repository: UserRepository;
  before(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {'hello.js': 'hello\n'});
  });
  after(() => person.leave());

  it('has three agents do what the lead delegates; the merged result becomes a branch, and nothing is left behind', async () => {
    const scratch = path.join(person.root, 'scratch');
    mkdirSync(scratch);
    const args = ['lead', '--rehearse', SCRIPT, '--goal', 'Write the documentation', '--', '--print'];
    const {stdout, stderr} = await person.expect(0, args, {
      cwd: repository.folder,
      env: {TMPDIR: scratch},
    });
    assert.match(stdout, /All four pages are written/);
    const branch = /Result: branch (mcpx\/\S+),/.exec(stderr)?.[1];
    assert.ok(branch, stderr);
    const files = git(repository.folder, 'ls-tree', '-r', '--name-only', branch).split('\n');
    assert.deepEqual(files, [
      'docs/index.md',
      'docs/intro.md',
      'docs/limits.md',
      'docs/usage.md',
      'hello.js',
    ]);
    assert.equal(git(repository.folder, 'status', '--porcelain'), '', 'the checkout is as it was');
    const left = readdirSync(scratch).filter(name => name.startsWith('mcpx-'));
    assert.deepEqual(left, [], 'the configuration is gone, and whatever else was for the time');
  });

  it('passes on the exit code of Claude Code, and says what is wrong before it starts anything', async () => {
    const args = ['lead', '--rehearse', SCRIPT, '--agents', '1', '--', '--print', '--no-such-option'];
    const {stderr} = await person.expect(1, args, {cwd: repository.folder});
    assert.match(stderr, /unknown option/);
    const missing = await person.expect(2, ['lead', '--rehearse', 'nothing.yaml'], {cwd: repository.folder});
    assert.match(missing.stderr, /the script .*nothing\.yaml cannot be read/);
    const both = await person.expect(2, ['lead', '--rehearse', SCRIPT, '--connect', 'ws://127.0.0.1:1']);
    assert.match(both.stderr, /--rehearse runs on this machine/);
  });
});
