/** A commit that is made without a repository is one that git takes, and merges like any other. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import {graftCommit} from '../../coordinator/artifacts/git/graftCommit.ts';
import {temporaryFolder} from './artifactHub.ts';
import {GitProject} from './gitProject.ts';

describe('a grafted commit', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rm(folder, {recursive: true, force: true}));

  const graft = (
    project: GitProject,
    holder: string,
    parents: readonly string[],
    message = 'taken over\n',
  ) => {
    const tree = project.git('rev-parse', `${holder}^{tree}`);
    const made = graftCommit({tree, parents, holder, message, at: 1_750_000_000_999});
    const file = path.join(folder, 'graft.bundle');
    writeFileSync(file, made.bundle);
    project.git('bundle', 'verify', '-q', file);
    project.git('fetch', '-q', file, `refs/mcpx/commits/${made.commit}:refs/heads/grafted`);
    return made;
  };

  it('has the files of one commit on top of others, and is the same again', () => {
    const project = new GitProject(path.join(folder, 'project'));
    const base = project.commit({'a.txt': 'a\n'});
    const left = project.branch('left', base, {'left.txt': 'l\n', 'a.txt': 'changed\n'});
    const right = project.branch('right', base, {'right.txt': 'r\n'});
    const long = `${'x'.repeat(5000)}\n`;
    const made = graft(project, left, [right, base], long);
    assert.equal(project.git('rev-parse', 'grafted'), made.commit);
    assert.equal(project.git('rev-parse', 'grafted^{tree}'), project.git('rev-parse', 'left^{tree}'));
    assert.equal(project.git('show', '-s', '--format=%P', 'grafted'), `${right} ${base}`);
    assert.equal(
      project.git('show', '-s', '--format=%an <%ae> %at %ct', 'grafted'),
      'MCPX <mcpx@localhost> 1750000000 1750000000',
    );
    assert.equal(project.git('show', '-s', '--format=%B', 'grafted').trim(), long.trim());
    assert.equal(project.git('merge-base', 'grafted', 'right'), right);
    project.git('fsck', '--strict');
    assert.deepEqual(made.prerequisites, [right, base, left]);
    assert.equal(graft(project, left, [right, base], long).bundle.compare(made.bundle), 0);
  });

  it('is of the kind that the repository is of', () => {
    const place = path.join(folder, 'sha256');
    mkdirSync(place);
    execFileSync('git', ['init', '-q', '-b', 'main', '--object-format=sha256', place]);
    const project = new GitProject(place);
    const base = project.commit({'a.txt': 'a\n'});
    const other = project.commit({'a.txt': 'b\n'});
    const made = graft(project, other, [base]);
    assert.equal(made.commit.length, 64);
    assert.equal(project.git('rev-parse', 'grafted'), made.commit);
  });
});
