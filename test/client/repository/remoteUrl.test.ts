import assert from 'node:assert/strict';
import {compareUrl, isRemoteUrl, shownUrl, webUrl} from '../../../coordinator/client/repository/remoteUrl.ts';

describe('remote URLs', () => {
  for (const [remote, expected] of [
    ['https://github.com/o/r.git', 'github.com/o/r'],
    ['https://user:secret@github.com/o/r', 'github.com/o/r'],
    ['git@github.com:o/r.git', 'github.com/o/r'],
    ['ssh://git@gitlab.example.com:2222/group/sub/r.git', 'gitlab.example.com/group/sub/r'],
    ['https://git.example.com:8443/o/r/', 'git.example.com:8443/o/r'],
    ['/home/ada/r.git', undefined],
    ['../r.git', undefined],
    ['file:///home/ada/r.git', undefined],
  ] as const) {
    it(`finds the web address of ${remote}`, () => {
      const found = webUrl(remote);
      assert.equal(found && `${found.host}/${found.path}`, expected);
    });
  }

  it('tells URLs from paths', () => {
    for (const url of ['https://x/y', 'ssh://x/y', 'git@host:path', 'file:///x'])
      assert(isRemoteUrl(url), url);
    for (const text of ['.', '/x', '../x', 'x', 'C:\\x', 'C:/x', 'ext::sh', '-x', 'https://'])
      assert(!isRemoteUrl(text), text);
  });

  it('never shows credentials', () => {
    assert.equal(shownUrl('https://user:secret@host/o/r.git'), 'https://host/o/r.git');
    assert.equal(shownUrl('git@host:o/r'), 'git@host:o/r');
  });

  it('links to the forge that the remote is on', () => {
    const draft = {branch: 'mcpx/s-1', base: 'release/1 2', title: 'T', body: 'B'};
    assert.equal(
      compareUrl({...draft, remote: 'git@github.example.com:o/r.git'}),
      'https://github.example.com/o/r/compare/release/1%202...mcpx/s-1?expand=1&title=T&body=B',
    );
    assert.equal(
      compareUrl({...draft, remote: 'https://gitlab.com/g/s/r.git'}),
      'https://gitlab.com/g/s/r/-/merge_requests/new?merge_request%5Bsource_branch%5D=mcpx%2Fs-1&merge_request%5Btarget_branch%5D=release%2F1%202&merge_request%5Btitle%5D=T&merge_request%5Bdescription%5D=B',
    );
    assert.equal(
      compareUrl({...draft, remote: 'git@bitbucket.org:o/r.git', body: 'x'.repeat(3000)}),
      'https://bitbucket.org/o/r/pull-requests/new?source=mcpx%2Fs-1&dest=release%2F1%202&title=T',
    );
    assert.equal(compareUrl({...draft, remote: 'https://git.example.com/o/r'}), undefined);
  });
});
