/** What a cluster does about a leader that cannot go on, and what its clients notice of it: leases, watches, strangers at the door. */
import assert from 'node:assert/strict';
import {type Member, MemberError, Members, QUICK} from './members.ts';

const coded = (code: string) => (error: unknown) => error instanceof MemberError && error.code === code;

/** A full disk is tried again from time to time; until then writes are refused, surely without effect. */
async function untilThereIsSpace(write: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await write();
      return;
    } catch (error) {
      assert.ok(coded('diskFull')(error), String(error));
    }
  }
}

describe('a leader that cannot go on', function () {
  this.timeout(120_000);
  let members: Members;
  beforeEach(async () => {
    members = await Members.start(['n1', 'n2', 'n3']);
  });
  afterEach(() => members.stop());

  for (const fault of ['hang', 'full'] as const)
    it(`because its disk is ${fault === 'hang' ? 'hung' : 'full'} hands over, and writes go on elsewhere`, async () => {
      const leader = await members.leader();
      const rest = members.others(leader);
      const [other, third] = rest;
      assert.ok(other && third);
      await other.put('k', 'before');
      await leader.breakDisk(fault);
      await other.put('k', 'after');
      assert.equal(await third.get('k'), 'after');
      const next = await members.leader(rest.map(({options}) => options.node));
      assert.notEqual(next, leader);
      if (fault === 'full') {
        await leader.breakDisk('none');
        await untilThereIsSpace(() => leader.put('k', 'there is space again'));
        assert.equal(await third.get('k'), 'there is space again');
      }
    });

  it('because its process stands still finds a new one when it wakes, and serves nothing stale', async () => {
    const leader = await members.leader();
    const [other] = members.others(leader);
    assert.ok(other);
    await leader.put('k', 'before');
    leader.signal('SIGSTOP');
    await other.put('k', 'after');
    leader.signal('SIGCONT');
    assert.equal(await leader.get('k'), 'after');
  });

  it('takes no lease along that is kept alive, through any member, and no watcher misses or repeats a revision', async () => {
    const leader = await members.leader();
    const [other, third] = members.others(leader);
    assert.ok(other && third);
    const lease = await other.grantLease(3);
    await other.txn({then: [{kind: 'put', key: 'live', value: '', lease: lease.id}]});
    await third.watch('w/');
    for (let n = 1; n <= 20; n++) {
      await other.put(`w/${n}`, '');
      if (n === 5) await leader.kill();
      assert.equal(await third.keepAlive(lease.id), true);
    }
    members.forget(leader.options.node);
    await third.untilWatched(messages => messages.length >= 20);
    const keys = third.watched.flatMap(message =>
      message.kind === 'events' ? message.events.map(event => event.key) : [message.kind],
    );
    assert.deepEqual(
      keys,
      Array.from({length: 20}, (_, at) => `w/${at + 1}`),
    );
    assert.equal(await other.get('live'), '');
    await third.watch('live');
    await third.untilWatched(messages => messages.length > 20);
    assert.equal(await other.get('live'), undefined, 'nobody keeps it alive any more');
  });
});

describe('without a majority', function () {
  this.timeout(120_000);
  let members: Members;
  afterEach(() => members.stop());

  it('writes end with an outcome that is known not to have happened, and what is local can be read', async () => {
    const settings = {...QUICK, writeTimeoutMs: 3000};
    members = await Members.start(['n1', 'n2', 'n3'], {settings});
    const leader = await members.leader();
    const [other, third] = members.others(leader);
    assert.ok(other && third);
    await other.put('k', '1');
    assert.equal(await third.get('k'), '1');
    await Promise.all([leader.kill(), other.kill()]);
    members.forget(leader.options.node);
    members.forget(other.options.node);
    await leaderless(third);
    await assert.rejects(third.put('k', '2'), coded('unavailable'));
    await assert.rejects(third.get('k'), coded('unavailable'));
    assert.equal(await third.get('k', true), '1');
  });

  it('strangers are not let in: another secret, another cluster, another node at the address', async () => {
    members = await Members.start(['n1']);
    const address = await members.addressOf('n1');
    for (const wrong of [
      {node: 'n2', secret: 'some other secret'},
      {node: 'n3', cluster: 'other'},
      {node: 'n4', peers: {n9: address}},
    ]) {
      const {node} = wrong;
      const own = await members.addressOf(node);
      const peers = {...(wrong.peers ?? {n1: address}), [node]: own};
      const stranger = members.boot(node, {start: 'join', ...wrong, peers});
      await stranger.refused;
    }
    await members.member('n1').put('k', '1');
  });
});

async function leaderless(member: Member): Promise<void> {
  while ((await member.status()).leader !== undefined);
}
