/** The verbs that programs use: with --json one object on the last line of stdout, text on stderr, and errors in the same way. */
import assert from 'node:assert/strict';
import path from 'node:path';
import * as z from 'zod';
import {type JsonReport, jsonReport, resultCommit} from './jsonReport.ts';
import {type Ended, Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PLAN = 'name: Two\nagents: 1\ntasks: [{id: a, run: "echo a > a.txt"}]\n';
const ErrorAnswer = z.strictObject({
  error: z.looseObject({code: z.string(), message: z.string(), hint: z.string().optional()}),
});

describe('answers for programs', function () {
  this.timeout(120_000);
  let person: Person;
  let repository: UserRepository;
  let report: JsonReport;
  before(async () => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'two.mcpx.yaml': PLAN,
      'bad.mcpx.yaml': 'name: bad\ntasks: [{id: a, run: x, dependsOn: b}]\n',
    });
    repository.git('config', 'user.name', 'Ada');
    repository.git('config', 'user.email', 'ada@localhost');
    const ended = await person.expect(0, ['run', 'two.mcpx.yaml', '--json'], {cwd: repository.folder});
    report = jsonReport(ended.stdout);
  });
  after(() => person.leave());

  const object = ({stdout}: Ended): Record<string, unknown> => {
    assert.match(stdout, /^\{[^\n]*\}\n$/);
    return z.record(z.string(), z.unknown()).parse(JSON.parse(stdout));
  };
  const verb = async (...args: string[]) =>
    object(await person.expect(0, [...args, '--json'], {cwd: repository.folder}));
  const refused = async (code: number, ...args: string[]) =>
    ErrorAnswer.parse(object(await person.expect(code, [...args, '--json'], {cwd: repository.folder}))).error;

  it('are given by the verbs of contexts, which never show a token', async () => {
    const url = 'wss://hub.example.org:7600';
    const token = 'mcpx.default.secret';
    const added = await person.expect(0, ['context', 'add', 'team', url, '--token', token, '--json']);
    assert.deepEqual(object(added), {name: 'team', url, caPin: null, hasToken: true});
    assert.deepEqual(await verb('context', 'use', 'team'), {current: 'team'});
    const listed = await person.expect(0, ['context', 'list', '--json']);
    assert.deepEqual(object(listed), {
      current: 'team',
      contexts: [{name: 'team', url, caPin: null, hasToken: true}],
    });
    assert.match(listed.stderr, /^\* team {2}wss:/);
    for (const ended of [added, listed]) assert.ok(!`${ended.stdout}${ended.stderr}`.includes(token));
    assert.deepEqual(await verb('context', 'use'), {current: null});
    assert.deepEqual(await verb('context', 'remove', 'team'), {name: 'team', removed: true, current: null});
    assert.deepEqual(await verb('context', 'remove', 'team'), {name: 'team', removed: false, current: null});
    assert.equal((await refused(2, 'context', 'add', 'team', 'http://x')).code, 'config');
  });

  it('are given by the verbs of sessions', async () => {
    const {session} = report;
    const branch = `mcpx/${session}`;
    const commit = resultCommit(report);
    assert.deepEqual(await verb('sessions', 'fetch', session), {session, branch, commit});
    const accepted = await verb('sessions', 'accept', session);
    assert.deepEqual(accepted, {
      session,
      branch,
      kind: 'accepted',
      commit: repository.git('rev-parse', 'HEAD'),
    });
    assert.deepEqual(await verb('sessions', 'accept', session), {session, branch, kind: 'nothing'});
    assert.equal((await refused(1, 'sessions', 'push', session)).hint, 'git remote add origin URL');
    const bare = path.join(person.root, 'remote.git');
    repository.git('init', '--quiet', '--bare', '--initial-branch=main', bare);
    repository.git('remote', 'add', 'origin', 'https://github.com/acme/shop.git');
    repository.git('remote', 'set-url', '--push', 'origin', bare);
    const pushed = await verb('sessions', 'push', session);
    assert.deepEqual([pushed['branch'], pushed['remote']], [branch, 'origin']);
    const offered = await verb('sessions', 'pr', session, '--base', 'main');
    assert.equal(offered['kind'], 'link');
    assert.match(String(offered['url']), /^https:\/\/github\.com\/acme\/shop\/compare\//);
    assert.deepEqual(await verb('sessions', 'release', session), {session, released: true});
    assert.equal((await refused(1, 'sessions', 'show', 's-nonesuch')).code, 'notFound');
  });

  it('are given by checks of plans, with every mistake and its place', async () => {
    const ended = await person.expect(
      1,
      ['plan', 'check', 'two.mcpx.yaml', 'bad.mcpx.yaml', 'no.yaml', '--json'],
      {
        cwd: repository.folder,
      },
    );
    const {ok, files} = z
      .object({
        ok: z.boolean(),
        files: z.array(
          z.looseObject({
            file: z.string(),
            ok: z.boolean(),
            diagnostics: z.array(
              z.looseObject({position: z.looseObject({line: z.number()}), message: z.string()}),
            ),
          }),
        ),
      })
      .parse(object(ended));
    assert.equal(ok, false);
    assert.deepEqual(
      files.map(file => [file.ok, file['tasks'], file.diagnostics.map(({position}) => position.line)]),
      [
        [true, 1, []],
        [false, undefined, [2]],
        [false, undefined, []],
      ],
    );
    assert.equal(files[2]?.['message'], 'there is no such file');
  });

  it('are given by tokens and the emergency stop', async () => {
    const made = await verb('token', 'create', '--role', 'agent', '--ttl', '1h');
    assert.match(String(made['token']), /^mcpx/);
    const stopped = await verb('stop', '--all');
    assert.deepEqual([stopped['confirmed'], stopped['sessions']], [true, []]);
    assert.equal((await refused(2, 'stop')).code, 'config');
  });
});
