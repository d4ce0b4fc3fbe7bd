/** A cluster of two that grows to three can lose any one from the moment its leader calls the change settled. */
import assert from 'node:assert/strict';
import {World} from './world/world.ts';

const SEEDS = 10;
const GROWN_MS = 20_000;
const ANSWERED_MS = 10_000;
const NEWCOMER = 'n3';

describe('a cluster that has grown to three', function () {
  this.timeout(120_000);

  it(`goes on without its leader, though that dies as soon as the change is settled: ${SEEDS} seeds`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      // The kind stands for the spare machines; nothing is inflicted.
      const world = new World({seed, voters: 2, clients: 5, faults: ['membership']});
      world.start();
      world.faults.heal();
      await grow(world);
      const leader = world.leader();
      assert.ok(leader);
      // What it sent last is lost with it.
      for (const id of world.ids) world.network.cut.add(`${leader.id}>${id}`);
      world.fell(leader.process.machine, 'kept');
      await answer(world);
      assert.equal(world.violation, undefined, `seed ${seed}`);
      assert.equal(leader.process.alive, false);
    }
  });
});

/** Asks until there are three voters and the leader says that this is settled; ends in the very step in which it says so. */
async function grow(world: World): Promise<void> {
  const isSettled = (): boolean => {
    const status = world.leader()?.node?.status();
    return status?.settled === true && status.configuration.voters.includes(NEWCOMER);
  };
  const until = world.scheduler.now + GROWN_MS;
  const ask = (): void => {
    world.addMember(NEWCOMER);
    world.scheduler.after(500, ask);
  };
  ask();
  await world.run(until, isSettled);
  assert.ok(isSettled(), `${NEWCOMER} does not vote after ${GROWN_MS} ms: ${world.violation ?? ''}`);
}

async function answer(world: World): Promise<void> {
  let answered = false;
  const probe = (): void => {
    if (!answered)
      world.clients[0]?.probe(ok => {
        answered ||= ok;
        world.scheduler.after(20, probe);
      });
  };
  probe();
  await world.run(world.scheduler.now + ANSWERED_MS, () => answered);
  assert.ok(answered, `no write was answered within ${ANSWERED_MS} ms:\n${world.lastEvents.join('\n')}`);
}
