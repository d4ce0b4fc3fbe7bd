/** Three stores in three processes: one leads, writes go through any of them, and nothing acknowledged is lost when processes are killed. */
import assert from 'node:assert/strict';
import {type Member, MemberError, Members} from './members.ts';

describe('a cluster of three processes', function () {
  this.timeout(120_000);
  let members: Members;
  beforeEach(async () => {
    members = await Members.start(['n1', 'n2', 'n3']);
  });
  afterEach(() => members.stop());

  it('takes writes on every member, and every member reads them at once', async () => {
    const leader = await members.leader();
    for (const [at, member] of [...members.all.values()].entries()) {
      const {revision} = await member.put('k', String(at));
      assert.equal(revision, at + 1, 'one order of writes');
      for (const reader of members.all.values()) assert.equal(await reader.get('k'), String(at));
    }
    const {store, members: known} = await leader.status();
    assert.equal(store.isLeader, true);
    assert.deepEqual(
      known.map(({id, role}) => `${id} ${role}`),
      ['n1 voter', 'n2 voter', 'n3 voter'],
    );
  });

  it('loses nothing acknowledged when the leader is killed, and applies nothing twice', async () => {
    const leader = await members.leader();
    const [first, second] = members.others(leader);
    assert.ok(first && second);
    const writers = [first, second].map((member, at) => countUp(member, `w${at}`));
    await first.get('w0');
    for (let round = 0; round < 3; round++) await first.put('round', String(round));
    await leader.kill();
    members.forget(leader.options.node);
    // Writes that were under way go to the new leader by themselves.
    await first.put('after', 'the kill');
    assert.equal(await second.get('after'), 'the kill');
    for (const [at, writer] of writers.entries()) {
      const acknowledged = await writer.stop();
      assert.equal(await second.get(`w${at}`), String(acknowledged));
    }
    const again = members.boot(leader.options.node);
    await again.opened;
    assert.equal(await again.get('after'), 'the kill');
    assert.deepEqual((await again.range('')).kvs, (await first.range('')).kvs);
  });

  it('serves on without a follower, which catches up when it is back', async () => {
    const leader = await members.leader();
    const [follower] = members.others(leader);
    assert.ok(follower);
    await follower.kill();
    for (let n = 0; n < 50; n++) await leader.put('k', String(n));
    const again = members.boot(follower.options.node);
    await again.opened;
    assert.equal(await again.get('k'), '49');
  });
});

/** Counts a key up by compare-and-set until it is stopped: a write that was applied twice, or lost, would break the chain. */
function countUp(member: Member, key: string): {stop(): Promise<number>} {
  let stopped = false;
  const run = async (): Promise<number> => {
    for (let n = 0; ; n++) {
      if (stopped) return n;
      const {succeeded} = await member.txn({
        compare: [
          n === 0
            ? {key, target: 'version', op: '=', operand: 0}
            : {key, target: 'value', op: '=', operand: String(n)},
        ],
        then: [{kind: 'put', key, value: String(n + 1)}],
      });
      assert.ok(succeeded, `${key} is not ${n}`);
    }
  };
  const running = run();
  running.catch((error: unknown) => assert.ok(error instanceof MemberError));
  return {
    stop() {
      stopped = true;
      return running;
    },
  };
}
