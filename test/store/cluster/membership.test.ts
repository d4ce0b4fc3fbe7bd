/** Members come and go while a cluster works: learners first, snapshots for those who lack the log, the lead handed over, the removed stopped. */
import assert from 'node:assert/strict';
import {type Member, MemberError, Members, QUICK} from './members.ts';

/** A snapshot every few entries, and hardly any log in memory for those who lag. */
const SNAPSHOTS = {...QUICK, snapshotEntries: 50, snapshotLogBytes: 1, followerLagBytes: 1000};

describe('members of a cluster', function () {
  this.timeout(120_000);
  let members: Members;
  afterEach(() => members.stop());

  it('come in at run time with a snapshot, vote once they have caught up, and survive the founder', async () => {
    members = await Members.start(['n1'], {settings: SNAPSHOTS});
    const founder = members.member('n1');
    for (let n = 0; n < 120; n++) await founder.put(`k/${n % 10}`, 'v'.repeat(2000) + n);
    for (const node of ['n2', 'n3']) {
      const address = await members.addressOf(node);
      const newcomer = members.boot(node, {start: 'join', settings: SNAPSHOTS});
      await founder.add(node, address);
      await newcomer.opened;
      assert.equal(await newcomer.get('k/9'), `${'v'.repeat(2000)}119`);
    }
    await votersAre(founder, ['n1', 'n2', 'n3']);
    await founder.kill();
    members.forget('n1');
    await members.member('n2').put('after', '1');
    assert.equal(await members.member('n3').get('after'), '1');
  });

  it('hand the lead over when asked, and go on', async () => {
    members = await Members.start(['n1', 'n2', 'n3']);
    const leader = await members.leader();
    const [other] = members.others(leader);
    assert.ok(other);
    assert.equal(await other.transfer(other.options.node), other.options.node);
    await leader.put('k', 'after the transfer');
    assert.equal(await other.get('k'), 'after the transfer');
    await assert.rejects(
      leader.transfer('nobody'),
      error => error instanceof MemberError && error.code === 'conflict',
    );
  });

  it('stop when they are removed, stay out, and leave a cluster that works', async () => {
    members = await Members.start(['n1', 'n2', 'n3']);
    const leader = await members.leader();
    const [other, third] = members.others(leader);
    assert.ok(other && third);
    await other.remove(leader.options.node);
    assert.match(await leader.ended, /was removed from the cluster/);
    await leader.kill();
    members.forget(leader.options.node);
    await other.put('k', '1');
    assert.equal(await third.get('k'), '1');
    await votersAre(other, [other.options.node, third.options.node]);
    await assert.rejects(
      other.add(leader.options.node, 'ws://127.0.0.1:1'),
      error => error instanceof MemberError && error.code === 'conflict',
    );
    const back = members.boot(leader.options.node);
    await assert.rejects(back.opened, error => error instanceof MemberError && error.code === 'conflict');
  });

  it('get a snapshot when they were away for longer than the log goes back', async () => {
    members = await Members.start(['n1', 'n2', 'n3'], {settings: SNAPSHOTS});
    const leader = await members.leader();
    const [follower] = members.others(leader);
    assert.ok(follower);
    await follower.kill();
    for (let n = 0; n < 300; n++) await leader.put(`k/${n % 5}`, 'v'.repeat(500) + n);
    const again = members.boot(follower.options.node, {settings: SNAPSHOTS});
    await again.opened;
    assert.deepEqual((await again.range('')).kvs, (await leader.range('')).kvs);
    await again.put('k', 'writes on');
    assert.equal(await leader.get('k'), 'writes on');
  });
});

/** Resolves when the leader says that these vote, and nobody else. */
async function votersAre(member: Member, ids: readonly string[]): Promise<void> {
  for (;;) {
    const {members, changing} = await member.status();
    const voters = members.filter(({role}) => role === 'voter').map(({id}) => id);
    if (!changing && voters.length === members.length && voters.join() === [...ids].sort().join()) return;
  }
}
