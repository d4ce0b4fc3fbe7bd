import assert from 'node:assert/strict';
import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import {type AcceptOptions, acceptResult} from '../../../coordinator/client/repository/acceptResult.ts';
import {fetchResult} from '../../../coordinator/client/repository/fetchResult.ts';
import {LocalRepository} from '../../../coordinator/client/repository/localRepository.ts';
import {pinRepository} from '../../../coordinator/client/repository/pinRepository.ts';
import {
  programRunner,
  pullRequest,
  pushResult,
} from '../../../coordinator/client/repository/publishResult.ts';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {commitOf, Machine, SharedArtifacts} from '../../agent/workspace/machine.ts';
import {temporaryFolder} from '../../artifacts/artifactHub.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {changedNames, repositoryState} from './repositoryState.ts';

const code = (expected: string) => (error: unknown) => isCoordinatorError(error) && error.code === expected;

describe("a session's result", () => {
  let folder: string;
  let project: GitProject;
  let artifacts: SharedArtifacts;
  let machine: Machine;
  let repository: LocalRepository;
  const env = () => ({
    PATH: process.env['PATH'],
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_INDEX_FILE: '/nonexistent',
  });

  beforeEach(async () => {
    folder = await temporaryFolder();
    project = new GitProject(path.join(folder, 'project'));
    project.commit({'a.txt': 'a\n', 'b.txt': 'b\n', '.gitignore': 'ignored\n'});
    project.git('config', 'user.name', 'Grace');
    project.git('config', 'user.email', 'grace@example.com');
    artifacts = new SharedArtifacts(path.join(folder, 'artifacts'));
    machine = new Machine(path.join(folder, 'agent'), artifacts);
    mkdirSync(path.join(folder, 'scratch'));
    repository = await LocalRepository.open(project.folder, {
      env: env(),
      temporaryFolder: path.join(folder, 'scratch'),
    });
  });
  afterEach(async () => {
    assert.deepEqual(readdirSync(path.join(folder, 'scratch')), [], 'scratch repositories are gone');
    await rm(folder, {recursive: true, force: true});
  });

  /** Pins the project and lets one attempt after the other change files; gives the chain of bundles. */
  const run = async (
    steps: Record<string, string>[],
    options: {uncommitted?: boolean} = {},
  ): Promise<{commit: string; bundles: CommitBundle[]}> => {
    const pinned = await pinRepository(repository, {at: 1_750_000_000_000, ...options});
    const file = path.join(folder, 'pin.bundle');
    const written = await pinned.bundle(file);
    await pinned.dispose();
    assert(written.kind === 'written');
    const {commit: base, repositoryId} = pinned.pin;
    const bundles: CommitBundle[] = [{commit: base, prerequisites: [], ...(await artifacts.upload({file}))}];
    let commit = base;
    for (const files of steps) {
      const inputs = commit === base ? [] : [{taskId: 'before', commit}];
      const {workspace} = await machine.ready({base, bundles, inputs, repositoryId});
      for (const [name, content] of Object.entries(files))
        writeFileSync(path.join(workspace.path, name), content);
      commit = await commitOf(workspace);
      const bundle = await workspace.bundleResult(commit);
      assert(bundle);
      bundles.push(bundle);
    }
    return {commit, bundles};
  };
  const fetched = async (steps: Record<string, string>[], options: {uncommitted?: boolean} = {}) => {
    const result = await run(steps, options);
    await fetchResult(repository, {branch: 'mcpx/s-1', ...result}, artifacts);
    return result;
  };

  describe('fetched', () => {
    it('is one branch and nothing else', async () => {
      project.write({'a.txt': 'staged\n'});
      project.git('add', 'a.txt');
      project.git('stash', '-q');
      project.write({'a.txt': 'again\n', ignored: 'i\n', untracked: 'u\n'});
      project.git('add', 'a.txt');
      project.write({'b.txt': 'edited\n'});
      writeFileSync(path.join(project.folder, '.git', 'FETCH_HEAD'), 'theirs\n');
      const hooks = path.join(project.folder, '.git', 'hooks');
      mkdirSync(hooks, {recursive: true});
      writeFileSync(path.join(hooks, 'reference-transaction'), `#!/bin/sh\ntouch ${folder}/hooked\n`, {
        mode: 0o755,
      });
      const result = await run([{'a.txt': 'one\n'}, {'new.txt': 'two\n'}]);
      const before = repositoryState(project.folder);
      const found = await fetchResult(repository, {branch: 'mcpx/s-1', ...result}, artifacts);
      assert.deepEqual(found, {kind: 'created', branch: 'mcpx/s-1', commit: result.commit});
      const changed = changedNames(before, repositoryState(project.folder));
      const expected = /^\.git\/(objects\/.*|(logs\/)?refs\/heads\/mcpx\/(s-1)?)$/;
      assert.deepEqual(
        changed.filter(name => !expected.test(name)),
        [],
      );
      assert(changed.includes('.git/refs/heads/mcpx/s-1'));
      assert.equal(existsSync(path.join(folder, 'hooked')), false);
      assert.equal(project.git('show', 'mcpx/s-1:new.txt'), 'two');
      project.git('fsck', '--full', '--strict');
    });

    it('reads no bundle whose commit is here, and is the same when it is fetched again', async () => {
      const result = await run([{'a.txt': 'one\n'}]);
      artifacts.reads.length = 0;
      await fetchResult(repository, {branch: 'mcpx/s-1', ...result}, artifacts);
      assert.deepEqual(artifacts.reads, [result.bundles[1]?.sha256]);
      const again = await fetchResult(repository, {branch: 'mcpx/s-1', ...result}, artifacts);
      assert.equal(again.kind, 'present');
    });

    it('moves its branch forward, but neither sideways nor under a checkout', async () => {
      const first = await fetched([{'a.txt': 'one\n'}]);
      const further = await run([{'a.txt': 'one\n'}, {'a.txt': 'two\n'}]);
      const branch = 'mcpx/s-1';
      const other = await run([{'a.txt': 'other\n'}]);
      const diverged = await fetchResult(repository, {branch, ...other}, artifacts);
      assert.deepEqual(diverged, {kind: 'diverged', branch, found: first.commit});
      project.git('checkout', '-q', branch);
      assert.equal((await fetchResult(repository, {branch, ...further}, artifacts)).kind, 'checkedOut');
      assert.equal(project.head(), first.commit);
      project.git('checkout', '-q', 'main');
      assert.equal((await fetchResult(repository, {branch, ...further}, artifacts)).kind, 'updated');
      assert.equal(project.git('rev-parse', branch), further.commit);
    });

    it('contains uncommitted work that the session started from', async () => {
      project.write({'b.txt': 'uncommitted\n'});
      const {commit} = await fetched([{'a.txt': 'one\n'}], {uncommitted: true});
      assert.equal(project.git('show', `${commit}:b.txt`), 'uncommitted');
      assert.equal(project.git('merge-base', 'main', commit), project.head());
    });

    it('fails without a trace when a bundle is missing, does not fit, or the name is not a branch', async () => {
      const result = await run([{'a.txt': 'one\n'}, {'a.txt': 'two\n'}]);
      const before = repositoryState(project.folder);
      const branch = 'mcpx/s-1';
      const [pin, one, two] = result.bundles;
      assert(pin && one && two);
      for (const bundles of [
        [pin, two],
        [pin, {...one, sha256: '0'.repeat(64)}, two],
        [pin, one],
      ]) {
        await assert.rejects(fetchResult(repository, {branch, commit: result.commit, bundles}, artifacts));
      }
      for (const bad of ['../x', 'a..b', '-x y', 'HEAD^', '']) {
        await assert.rejects(
          fetchResult(repository, {...result, branch: bad}, artifacts),
          code('config'),
          bad,
        );
      }
      assert.deepEqual(changedNames(before, repositoryState(project.folder)), []);
    });
  });

  describe('accepted', () => {
    const accept = (options: Partial<AcceptOptions> = {}) =>
      acceptResult(repository, {
        result: 'mcpx/s-1',
        mode: 'squash',
        message: 'Take it\n\nAll of it',
        ...options,
      });
    const hook = (name: string, script: string) => {
      const file = path.join(project.folder, '.git', 'hooks', name);
      mkdirSync(path.dirname(file), {recursive: true});
      writeFileSync(file, `#!/bin/sh\n${script}\n`);
      chmodSync(file, 0o755);
    };
    /** Checkout, HEAD, refs and staged state; not git's own notes such as ORIG_HEAD. */
    const checkout = () => ({
      files: changedNames({}, repositoryState(project.folder)).filter(name => !name.startsWith('.git/')),
      contents: ['a.txt', 'b.txt'].map(name => readFileSync(path.join(project.folder, name), 'utf8')),
      status: project.git('status', '--porcelain', '--branch'),
      refs: project.git('for-each-ref'),
      merging: existsSync(path.join(project.folder, '.git', 'MERGE_HEAD')),
      message: existsSync(path.join(project.folder, '.git', 'SQUASH_MSG')),
    });

    it('as one commit of the person, or as a merge', async () => {
      const head = project.head();
      const {commit} = await fetched([{'a.txt': 'one\n'}, {'new.txt': 'two\n'}]);
      hook('commit-msg', `echo hooked >> ${folder}/hooked`);
      const squashed = await accept();
      assert.equal(squashed.kind, 'accepted');
      assert.equal(project.git('log', '-1', '--format=%P|%an|%B'), `${head}|Grace|Take it\n\nAll of it\n`);
      assert.equal(project.git('status', '--porcelain'), '');
      assert.equal(readFileSync(path.join(project.folder, 'new.txt'), 'utf8'), 'two\n');
      assert.deepEqual(await accept(), {kind: 'nothing'});
      project.git('reset', '-q', '--hard', head);
      const merged = await accept({mode: 'merge'});
      assert.equal(merged.kind, 'accepted');
      assert.equal(project.git('log', '-1', '--format=%P|%an|%s'), `${head} ${commit}|Grace|Take it`);
      assert.equal(readFileSync(path.join(folder, 'hooked'), 'utf8'), 'hooked\nhooked\n');
    });

    it('on top of what the person committed meanwhile, and beside untracked files', async () => {
      await fetched([{'a.txt': 'one\n'}]);
      project.commit({'b.txt': 'mine\n'});
      project.write({untracked: 'u\n'});
      for (const mode of ['squash', 'merge'] as const) {
        const before = project.head();
        assert.equal((await accept({mode})).kind, 'accepted');
        assert.deepEqual(
          ['a.txt', 'b.txt', 'untracked'].map(name => readFileSync(path.join(project.folder, name), 'utf8')),
          ['one\n', 'mine\n', 'u\n'],
        );
        project.git('reset', '-q', '--hard', before);
      }
    });

    for (const mode of ['squash', 'merge'] as const) {
      describe(`as a ${mode}, refuses and changes nothing`, () => {
        const refused = async (expected: string, prepare: () => void) => {
          await fetched([{'a.txt': 'one\n', 'new.txt': 'n\n'}]);
          prepare();
          const before = checkout();
          const result = await accept({mode});
          assert.equal(result.kind, expected);
          assert.deepEqual(checkout(), before);
          return result;
        };

        it('when tracked files have changes', async () => {
          const result = await refused('dirty', () => project.write({'b.txt': 'edited\n'}));
          assert.deepEqual(result, {kind: 'dirty', paths: ['b.txt']});
        });

        it('when something is staged', () =>
          refused('dirty', () => {
            project.write({'b.txt': 'staged\n'});
            project.git('add', 'b.txt');
          }));

        it('when it conflicts', async () => {
          const result = await refused('conflict', () => void project.commit({'a.txt': 'mine\n'}));
          assert.deepEqual(result, {kind: 'conflict', paths: ['a.txt']});
        });

        it('when it would overwrite an untracked file', async () => {
          const result = await refused('refused', () => project.write({'new.txt': 'precious\n'}));
          assert(result.kind === 'refused' && /new\.txt/.test(result.message));
          assert.equal(readFileSync(path.join(project.folder, 'new.txt'), 'utf8'), 'precious\n');
        });

        it('when a hook refuses', async () => {
          const result = await refused('refused', () => hook('commit-msg', 'echo not today >&2; exit 1'));
          assert(result.kind === 'refused' && /not today/.test(result.message));
        });

        it('when signing fails', () =>
          refused('refused', () => {
            project.git('config', 'commit.gpgSign', 'true');
            project.git('config', 'gpg.program', 'false');
          }));

        it('when another operation waits', async () => {
          const result = await refused('busy', () => {
            const side = project.branch('side', 'main', {'b.txt': 'side\n'});
            project.git('merge', '-q', '--no-commit', '--no-ff', side);
          });
          assert.deepEqual(result, {kind: 'busy', operation: 'merge'});
        });
      });
    }

    it('keeps what a refusing hook wrote into merged files readable', async () => {
      await fetched([{'a.txt': 'one\n'}]);
      hook('pre-commit', 'echo formatted > a.txt; exit 1');
      const before = checkout();
      await assert.rejects(accept(), (error: unknown) => {
        assert(isCoordinatorError(error, 'git'));
        const saved = /commit ([0-9a-f]{40})/.exec(error.hint ?? '')?.[1] ?? '';
        assert.equal(project.git('show', `${saved}:a.txt`), 'formatted');
        return true;
      });
      assert.deepEqual(checkout(), before);
    });

    it('needs a result that is there', async () => {
      await assert.rejects(accept({result: 'mcpx/none'}), code('git'));
    });
  });

  describe('published', () => {
    it('is pushed under its own name, and only it', async () => {
      const {commit} = await fetched([{'a.txt': 'one\n'}]);
      assert.deepEqual(await pushResult(repository, 'mcpx/s-1'), {kind: 'noRemote'});
      project.git('clone', '-q', '--bare', '.', path.join(folder, 'remote.git'));
      project.git('-C', path.join(folder, 'remote.git'), 'update-ref', '-d', 'refs/heads/mcpx/s-1');
      project.git('remote', 'add', 'origin', path.join(folder, 'remote.git'));
      const pushed = await pushResult(repository, 'mcpx/s-1');
      const url = path.join(folder, 'remote.git');
      assert.deepEqual(pushed, {kind: 'pushed', remote: 'origin', url, branch: 'mcpx/s-1'});
      assert.match(project.git('ls-remote', 'origin'), new RegExp(`${commit}\trefs/heads/mcpx/s-1`));
      const hooks = path.join(project.folder, '.git', 'hooks');
      mkdirSync(hooks, {recursive: true});
      writeFileSync(path.join(hooks, 'pre-push'), '#!/bin/sh\necho no push >&2; exit 1\n', {mode: 0o755});
      const refused = await pushResult(repository, 'mcpx/s-1', 'origin');
      assert(refused.kind === 'refused' && /no push/.test(refused.message));
      await assert.rejects(pushResult(repository, 'mcpx/s-1', '--force'), code('config'));
    });

    it('becomes a pull request by gh, or a link where gh is missing or refuses', async () => {
      project.git('remote', 'add', 'origin', 'git@github.com:ada/engine.git');
      const request = {branch: 'mcpx/s-1', title: 'A & B', body: 'Body'};
      const bin = path.join(folder, 'bin');
      mkdirSync(bin);
      const path_ = `${bin}:${process.env['PATH']}`;
      const missing = await pullRequest(repository, request, programRunner({PATH: bin}));
      assert.deepEqual(missing, {
        kind: 'link',
        url: 'https://github.com/ada/engine/compare/main...mcpx/s-1?expand=1&title=A+%26+B&body=Body',
        reason: 'gh is not installed',
      });
      const gh = path.join(bin, 'gh');
      writeFileSync(
        gh,
        `#!/bin/sh\necho "$@" > ${folder}/args; cat > ${folder}/body; echo https://github.com/ada/engine/pull/7\n`,
        {mode: 0o755},
      );
      const opened = await pullRequest(repository, request, programRunner({PATH: path_}));
      assert.deepEqual(opened, {kind: 'opened', url: 'https://github.com/ada/engine/pull/7'});
      assert.equal(
        readFileSync(path.join(folder, 'args'), 'utf8'),
        'pr create --head mcpx/s-1 --base main --title A & B --body-file -\n',
      );
      assert.equal(readFileSync(path.join(folder, 'body'), 'utf8'), 'Body');
      writeFileSync(gh, '#!/bin/sh\necho log in first >&2; exit 4\n', {mode: 0o755});
      const refused = await pullRequest(repository, request, programRunner({PATH: path_}));
      assert(refused.kind === 'link' && refused.reason === 'gh: log in first');
    });
  });
});
