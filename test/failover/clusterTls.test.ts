/** Three coordinators that keep their facts together over TLS with copies of one authority, as a person starts them; and who is not let in. */
import assert from 'node:assert/strict';
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type ClusterAuthority, createClusterAuthority} from '../../coordinator/security/clusterAuthority.ts';
import {ClusterStatus} from '../../coordinator/store/embedded/clusterCalls.ts';
import {Person, type Running} from '../integration/person.ts';
import {freePorts} from '../support/freePorts.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 60_000;

describe('a cluster over TLS', function () {
  this.timeout(300_000);
  let person: Person;
  let authority: ClusterAuthority;
  const members = new Map<string, Running>();
  const ports = new Map<string, number>();

  before(async () => {
    person = new Person();
    authority = await createClusterAuthority({clock: systemClock});
    const nodes = ['a', 'b', 'c', 'd'];
    const free = await freePorts(nodes.length);
    for (const [at, node] of nodes.entries()) ports.set(node, free[at] ?? 0);
  });
  after(async () => {
    for (const member of members.values()) await stop(member);
    await person.leave();
  });

  const folderOf = (name: string) => path.join(person.root, name);
  const peersOf = (nodes: readonly string[], scheme = 'wss') =>
    nodes.map(node => `${node}=${scheme}://127.0.0.1:${ports.get(node)}`).join(',');

  function give(name: string, {cert, key}: ClusterAuthority): void {
    mkdirSync(folderOf(name), {mode: 0o700});
    writeFileSync(path.join(folderOf(name), 'authority.pem'), `${cert}${key}`, {mode: 0o600});
  }

  function start(
    node: string,
    peers: string,
    {data = node, tls = true, join = false, env = {}}: StartOptions = {},
  ): Running {
    const flags = [...(tls ? ['--tls'] : []), ...(join ? ['--join'] : [])];
    const cluster = ['--cluster', 'fleet', '--node', node, '--peers', peers];
    return person.start(['coordinator', '--data', folderOf(data), ...cluster, ...flags], {env});
  }

  async function stop(member: Running): Promise<void> {
    member.signal('SIGTERM');
    await member.ended;
  }

  async function status(data: string): Promise<ClusterStatus> {
    const {stdout} = await person.expect(0, ['cluster', 'status', '--data', folderOf(data), '--json']);
    return ClusterStatus.parse(JSON.parse(stdout));
  }

  it('forms with copies of one authority and no other secret, and its lead goes where it is told', async () => {
    const peers = peersOf(['a', 'b', 'c']);
    for (const node of ['a', 'b', 'c']) {
      give(node, authority);
      members.set(node, start(node, peers));
    }
    for (const member of members.values()) await member.saw(/the coordinator is ready/);
    const seen = await status('b');
    assert.deepEqual(
      seen.members.map(({id, address, role}) => `${id}=${address} ${role}`),
      peers.split(',').map(peer => `${peer} voter`),
    );
    await person.expect(0, ['cluster', 'transfer', 'c', '--data', folderOf('a')]);
    assert.equal((await status('a')).leader, 'c');
  });

  it('takes a member back that starts again, with the new certificate that it makes then', async () => {
    const member = members.get('b');
    assert.ok(member);
    await stop(member);
    const again = start('b', peersOf(['a', 'b', 'c']));
    members.set('b', again);
    await again.saw(/the coordinator is ready/);
    await found(
      async () => (await status('a')).members.find(({id, active}) => id === 'b' && active),
      PATIENCE_MS,
      'b to be back',
    );
  });

  const strangers: readonly (readonly [who: string, why: RegExp, prepare: () => Running])[] = [
    [
      'with another authority',
      /has no certificate of this cluster's authority/,
      () => start('d', peersOf(['a', 'b', 'c', 'd']), {data: 'other', join: true}),
    ],
    [
      'with another token',
      /does not know the secret of this cluster/,
      () => {
        give('token', authority);
        const env = {MCPX_CLUSTER_TOKEN: 'a token of somebody else'};
        return start('d', peersOf(['a', 'b', 'c', 'd']), {data: 'token', join: true, env});
      },
    ],
    [
      'that speaks in the clear',
      /hangs up; it may speak TLS, and this member does not/,
      () => {
        const env = {MCPX_CLUSTER_TOKEN: 'a token of somebody else'};
        const peers = peersOf(['a', 'b', 'c', 'd'], 'ws');
        return start('d', peers, {data: 'plain', tls: false, join: true, env});
      },
    ],
  ];
  for (const [who, why, prepare] of strangers)
    it(`does not let somebody in ${who}, and says why`, async () => {
      const stranger = prepare();
      try {
        await stranger.saw(why);
        assert.deepEqual(
          (await status('a')).members.map(({id}) => id),
          ['a', 'b', 'c'],
        );
      } finally {
        stranger.signal('SIGKILL');
        await stranger.ended;
      }
    });

  it('says at its doors that somebody came', async () => {
    await Promise.any(
      [...members.values()].map(member => member.saw(/somebody came to the door for members who is none/)),
    );
  });

  it('is not founded beyond this machine without TLS, nor half with TLS', async () => {
    const env = {MCPX_CLUSTER_TOKEN: 'a token of somebody else'};
    const cases: readonly (readonly [args: readonly string[], why: RegExp])[] = [
      [['--peers', 'a=ws://10.1.2.3:7700'], /refusing to listen on 10\.1\.2\.3 without TLS.*\n.*--tls/],
      [
        ['--peers', 'a=ws://127.0.0.1:1,b=ws://10.1.2.3:1'],
        /10\.1\.2\.3:1 is not on this machine.*\n.*authority\.pem/,
      ],
      [['--peers', 'a=wss://127.0.0.1:1'], /which is wss:.*\n.*Without --tls/],
      [['--tls', '--peers', 'a=ws://127.0.0.1:1'], /which is ws:.*\n.*With --tls/],
      [
        ['--store', 'etcd://127.0.0.1:1', '--peers', 'a=ws://127.0.0.1:1'],
        /--store and --cluster exclude each other/,
      ],
    ];
    for (const [args, why] of cases) {
      const founding = [
        'coordinator',
        '--data',
        folderOf('never'),
        '--cluster',
        'fleet',
        '--node',
        'a',
        ...args,
      ];
      const {stderr} = await person.expect(2, founding, {env});
      assert.match(stderr, why);
    }
  });
});

interface StartOptions {
  /** The folder's name, where it is not the node's. */
  readonly data?: string;
  readonly tls?: boolean;
  readonly join?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}
