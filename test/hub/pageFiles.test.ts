/** The files of the web pages at a hub's door: served without a token, and nothing beside them. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import * as http from 'node:http';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {text} from 'node:stream/consumers';
import {pageFiles, webFolder} from '../../coordinator/hub/pageFiles.ts';
import {type HubFixture, hubFixture} from './support.ts';

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

describe('files of the web pages', () => {
  let fixture: HubFixture;
  let root: string;
  let folder: string;

  beforeEach(async () => {
    root = mkdtempSync(path.join(tmpdir(), 'mcpx-web-'));
    folder = `${path.join(root, 'webview')}/`;
    mkdirSync(folder);
    writeFileSync(path.join(root, 'secret.js'), 'secret');
    writeFileSync(path.join(folder, 'browser.js'), 'first();');
    writeFileSync(path.join(folder, 'layoutWorker.js'), 'worker();');
    fixture = await hubFixture({pages: pageFiles(folder)});
  });
  afterEach(async () => {
    await fixture.close();
    rmSync(root, {recursive: true, force: true});
  });

  async function ask(target: string, options: http.RequestOptions = {}): Promise<Answer> {
    const request = http.request({
      host: '127.0.0.1',
      port: fixture.port,
      path: target,
      agent: false,
      ...options,
    });
    request.end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return {status: response.statusCode ?? 0, headers: response.headers, body: await text(response)};
  }

  it('need no token, and let a page run nothing but themselves', async () => {
    const index = await ask('/');
    assert.equal(index.status, 200);
    assert.match(index.headers['content-type'] ?? '', /text\/html/);
    const policy = String(index.headers['content-security-policy']);
    assert.match(policy, /default-src 'none'; script-src 'self';/);
    assert.match(policy, new RegExp(`connect-src 'self' ws://127.0.0.1:${fixture.port} `));
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.doesNotMatch(index.body, /<style|style=/);
    const script = await ask('/web/browser.js');
    assert.deepEqual([script.status, script.body], [200, 'first();']);
    assert.match(script.headers['content-type'] ?? '', /javascript/);
    assert.equal(script.headers['x-content-type-options'], 'nosniff');
  });

  it('are known by their content, so that a build replaces them', async () => {
    const {etag = ''} = (await ask('/web/browser.js')).headers;
    assert.equal((await ask('/web/browser.js', {headers: {'if-none-match': etag}})).status, 304);
    writeFileSync(path.join(folder, 'browser.js'), 'second();');
    const changed = await ask('/web/browser.js', {headers: {'if-none-match': etag}});
    assert.deepEqual([changed.status, changed.body], [200, 'second();']);
  });

  it('answer a question for their head without a body, and nothing that would write', async () => {
    const head = await ask('/web/browser.js', {method: 'HEAD'});
    assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '8']);
    const post = await ask('/web/browser.js', {method: 'POST'});
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
  });

  for (const target of [
    '/web/../secret.js',
    '/web/..%2fsecret.js',
    '/web/secret.js',
    '/web/',
    '//web/browser.js',
    '/web/browser.js/',
  ])
    it(`lead nowhere else (${target})`, async () => {
      const answer = await ask(target);
      assert.equal(answer.status, 401);
      assert.doesNotMatch(answer.body, /secret/);
    });

  it('are refused under a foreign name, like everything else', async () => {
    assert.equal((await ask('/', {headers: {host: 'rebound.example'}})).status, 403);
  });

  it('say how to build them where they are not', async () => {
    rmSync(folder, {recursive: true});
    for (const target of ['/', '/web/browser.js']) {
      const answer = await ask(target);
      assert.equal(answer.status, 404);
      assert.match(answer.body, /npm run build/);
    }
  });

  it('stand beside the bundled program, or where the sources are built to', () => {
    assert.equal(webFolder('file:///opt/mcpx/mcpx.mjs'), '/opt/mcpx/webview/');
    assert.equal(webFolder('file:///src/coordinator/coordinator.ts'), '/src/dist/webview/');
  });
});
