/** Names and URIs of the hub for what servers offer, and who sees what. */
import assert from 'node:assert/strict';
import {type AccessContext, visibleTo} from '../../coordinator/gateway/access.ts';
import {namesOf, type Offered} from '../../coordinator/gateway/names.ts';
import {splitUri, uriBelow, urisOf} from '../../coordinator/gateway/resourceUris.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';

const offer = (server: string, name: string, prefix: string | false = server): Offered<string> => ({
  ...{server, prefix, name},
  item: `${server}/${name}`,
});
const names = (...offers: Offered<string>[]): Record<string, string> =>
  Object.fromEntries([...namesOf(offers)].map(([name, {item}]) => [name, item]));

describe('names of what servers offer', () => {
  it('are the server, two underscores and the name', () => {
    assert.deepEqual(names(offer('files', 'read'), offer('web', 'read')), {
      files__read: 'files/read',
      web__read: 'web/read',
    });
  });

  it('stay as they are without a prefix', () => {
    assert.deepEqual(names(offer('files', 'read', false)), {read: 'files/read'});
  });

  it('have no characters that clients refuse', () => {
    assert.deepEqual(names(offer('my.files', 'read/all now')), {
      'my-files__read-all-now': 'my.files/read/all now',
    });
  });

  it('are told apart by a digest where two become one; the one that fits unchanged keeps its own', () => {
    const both = names(offer('a', 'x-y'), offer('a', 'x.y'));
    assert.equal(both['a__x-y'], 'a/x-y');
    const [other] = Object.keys(both).filter(name => name !== 'a__x-y');
    assert.match(other ?? '', /^a__x-y_[0-9a-f]{8}$/);
    const neither = names(offer('a', 'x:y'), offer('a', 'x.y'));
    assert.equal(
      Object.keys(neither).every(name => /_[0-9a-f]{8}$/.test(name)),
      true,
    );
    assert.equal(Object.keys(neither).length, 2);
  });

  it('are cut to 64 characters, and still differ', () => {
    const long = 'very_long_name_of_a_tool_that_goes_on_and_on_and_on_until_it_is_too_long';
    const both = Object.keys(names(offer('server', `${long}_1`), offer('server', `${long}_2`)));
    assert.equal(new Set(both).size, 2);
    for (const name of both) assert.match(name, /^[A-Za-z0-9_-]{1,64}$/);
  });

  it('depend on no order, whatever the names are', () => {
    const random = seededRandom(7);
    const letters = ['a', 'b', '.', '-', '_', ' ', 'é', '/'];
    for (let round = 0; round < 200; round++) {
      const some = Array.from({length: 12}, () => {
        const length = 1 + Math.floor(random.next() * (random.next() < 0.2 ? 80 : 3));
        const name = Array.from({length}, () => letters[Math.floor(random.next() * letters.length)]).join('');
        return offer(random.next() < 0.5 ? 's' : 't', name, random.next() < 0.3 ? false : 's');
      });
      const unique = [...new Map(some.map(each => [each.item, each])).values()];
      const forth = namesOf(unique);
      const back = namesOf([...unique].reverse());
      assert.equal(forth.size, unique.length);
      for (const [name, {item}] of forth) {
        assert.match(name, /^[A-Za-z0-9_-]{1,64}$/);
        assert.equal(back.get(name)?.item, item);
      }
    }
  });
});

describe('URIs of resources', () => {
  it('are kept where one server has them, and told apart for all where several have', () => {
    const shown = urisOf([
      {server: 'a', uri: 'file:///x', item: 1},
      {server: 'a', uri: 'note://1', item: 2},
      {server: 'b', uri: 'note://1', item: 3},
    ]);
    assert.deepEqual(
      [...shown].map(([uri, {item}]) => [uri, item]),
      [
        ['file:///x', 1],
        [uriBelow('a', 'note://1'), 2],
        [uriBelow('b', 'note://1'), 3],
      ],
    );
  });

  it('lead back', () => {
    assert.deepEqual(splitUri(uriBelow('a', 'note://1?x=/y')), {server: 'a', uri: 'note://1?x=/y'});
    assert.equal(splitUri('note://1'), undefined);
  });
});

describe('access rules', () => {
  const client: AccessContext = {role: 'client', work: []};
  const agent: AccessContext = {role: 'agent', work: [{sessionId: 's-1', taskId: 'build'}]};
  const seen = (rules: Parameters<typeof visibleTo>[0], context: AccessContext): string[] =>
    ['read', 'read_all', 'write', 'delete'].filter(visibleTo(rules, context));

  const cases: [string, Parameters<typeof visibleTo>[0], string[], string[]][] = [
    ['none', undefined, ['read', 'read_all', 'write', 'delete'], ['read', 'read_all', 'write', 'delete']],
    ['deny', [{deny: ['delete']}], ['read', 'read_all', 'write'], ['read', 'read_all', 'write']],
    ['allow', [{allow: ['read*']}], ['read', 'read_all'], ['read', 'read_all']],
    ['allow but', [{allow: ['read*'], deny: ['*_all']}], ['read'], ['read']],
    ['by role', [{roles: ['agent'], allow: ['read']}], ['read', 'read_all', 'write', 'delete'], ['read']],
    [
      'by session',
      [{sessions: ['s-*'], deny: ['write']}],
      ['read', 'read_all', 'write', 'delete'],
      ['read', 'read_all', 'delete'],
    ],
    [
      'by task',
      [{tasks: ['test'], deny: ['**']}],
      ['read', 'read_all', 'write', 'delete'],
      ['read', 'read_all', 'write', 'delete'],
    ],
    [
      'several, each must allow',
      [{allow: ['read*']}, {roles: ['agent'], allow: ['read', 'write']}],
      ['read', 'read_all'],
      ['read'],
    ],
  ];
  for (const [name, rules, forClient, forAgent] of cases)
    it(name, () => {
      assert.deepEqual(seen(rules, client), forClient);
      assert.deepEqual(seen(rules, agent), forAgent);
    });
});
