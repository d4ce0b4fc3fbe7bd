/** Sequences of faults that chance alone would hardly find, each after a figure or a bug that some system had. Any of them may come to nothing. */
import {isJoint, membersOf} from '../../../coordinator/raft/configuration.ts';
import type {MembershipChange} from '../../../coordinator/raft/types.ts';
import type {Chance} from './chance.ts';
import type {World} from './world.ts';

/**
 * Figure 8 of the paper: an entry of an old term gets to a majority by the hand of its old leader in a new term, and is then overwritten by one who led in
 * between. Harmless as long as it does not count as committed.
 */
export function figure8(world: World): void {
  const first = world.leader();
  const voters = first?.node?.configuration.voters ?? [];
  if (!first || voters.length < 5) return;
  const others = voters.filter(id => id !== first.id);
  const links = new Links(world);
  links.allow(others);
  const giveUp = (): void => links.heal();
  soon(
    world,
    () => {
      const second = world.leader();
      return second && second.id !== first.id ? second : undefined;
    },
    second => {
      const helpers = others.filter(id => id !== second.id).slice(0, voters.length >> 1);
      links.only([first.id], helpers);
      const {lastCommitted} = world.ledger;
      soon(
        world,
        () => (first.isLeader && world.ledger.lastCommitted > lastCommitted ? first : undefined),
        () => {
          links.only(
            [second.id],
            others.filter(id => id !== second.id),
          );
          world.scheduler.after(900, giveUp);
        },
        giveUp,
      );
    },
    giveUp,
  );
}

/** A leader that stood still while another was elected is asked before it can hear of it: answers to its last round are no answers to this read. */
export function sleepingLeader(world: World, chance: Chance): void {
  const sleeper = world.leader();
  if (!sleeper) return;
  const {machine} = sleeper.process;
  const links = new Links(world);
  const {lastCommitted} = world.ledger;
  machine.pause();
  links.allow(world.ids.filter(id => id !== sleeper.id));
  const wake = (): void => {
    if (sleeper.process.alive) machine.resume();
    world.scheduler.after(30, () => links.heal());
  };
  soon(
    world,
    () => {
      const next = world.leader();
      return next !== sleeper && world.ledger.lastCommitted > lastCommitted + 3 ? next : undefined;
    },
    () =>
      world.scheduler.after(20, () => {
        for (const client of world.clients.slice(0, 2)) client.peek(sleeper.id);
        world.scheduler.after(chance.between(10, 20), wake);
      }),
    wake,
  );
}

const LEASE_MS = 1000;

/** A lease becomes due at a leader that reaches nobody, while its owner renews it at the next one. */
export function dueLease(world: World): void {
  const leader = world.leader();
  const [owner] = world.clients;
  if (!leader || !owner) return;
  owner.take(leader.id, LEASE_MS / 1000, lease => {
    world.scheduler.after(LEASE_MS - 80, () => {
      if (!leader.isLeader || world.faults.isOver) return;
      const links = new Links(world);
      links.allow(world.ids.filter(id => id !== leader.id));
      soon(
        world,
        () => {
          const next = world.leader();
          return next === leader ? undefined : next;
        },
        next => {
          world.scheduler.after(30, () => owner.renew(next.id, lease));
          world.scheduler.after(80, () => links.heal());
          world.scheduler.after(400, () => owner.renew(next.id, lease));
        },
        () => links.heal(),
      );
    });
  });
}

/** A member that was away gets a snapshot, and loses power as soon as it counts on it. */
export function lateSnapshot(world: World, chance: Chance): void {
  const leader = world.leader();
  if (!leader) return;
  const late = chance.pick(world.ids.filter(id => id !== leader.id));
  const links = new Links(world);
  links.allow(world.ids.filter(id => id !== late));
  world.scheduler.after(chance.between(600, 1500), () => {
    links.heal();
    const member = world.member(late);
    if (!member) return;
    const {machine} = member.process;
    const {installs} = member;
    soon(
      world,
      () => (member.installs > installs ? member : undefined),
      () =>
        world.scheduler.after(chance.pick([0, 5, 20]), () => {
          if (!member.process.alive || world.faults.isOver) return;
          world.fell(machine, 'lost');
          world.scheduler.after(50, () => world.bootIfDown(machine));
        }),
      () => undefined,
    );
  });
}

/** A leader in a joint configuration that reaches the new voters only decides nothing (§4.3 of the dissertation). */
export function jointSplit(world: World): void {
  const leader = world.leader();
  const node = leader?.node;
  if (!leader || !node) return;
  const others = node.configuration.voters.filter(id => id !== leader.id);
  const newcomers = world.outsiders.slice(0, 2);
  const change = (changes: readonly MembershipChange[]): void => {
    node.changeMembership(changes);
    leader.process.run(() => leader.schedule());
  };
  if (newcomers.length < 2) return;
  change(newcomers.map(id => ({action: 'addLearner', node: id})));
  const links = new Links(world);
  const hasCaughtUp = (id: string): boolean =>
    membersOf(node.configuration).includes(id) && node.status().progress.get(id)?.mode === 'replicate';
  soon(
    world,
    () => (leader.isLeader && newcomers.every(hasCaughtUp) ? leader : undefined),
    () => {
      change([
        ...newcomers.map(id => ({action: 'addVoter', node: id}) as const),
        ...others.map(id => ({action: 'remove', node: id}) as const),
      ]);
      soon(
        world,
        () => (isJoint(node.configuration) ? node : undefined),
        () => {
          links.allow([leader.id, ...newcomers]);
          world.scheduler.after(500, () => links.heal());
        },
        () => undefined,
      );
    },
    () => undefined,
  );
}

const PATIENCE_MS = 1500;

/** Calls `then` with the first that `find` finds after a step of anybody, before any message of that step arrives; or `otherwise`. */
function soon<T>(
  world: World,
  find: () => T | undefined,
  then: (found: T) => void,
  otherwise: () => void,
): void {
  const until = world.scheduler.now + PATIENCE_MS;
  world.lookouts.add(function look() {
    const found = find();
    const isOver = world.scheduler.now > until || world.faults.isOver;
    if (found === undefined && !isOver) return;
    world.lookouts.delete(look);
    if (found !== undefined) then(found);
    else otherwise();
  });
}

/** Which members reach each other, for the time of a scenario. */
class Links {
  private cut: string[] = [];

  constructor(private readonly world: World) {}

  /** Only those in the middle reach anybody, and of the others those around it. */
  only(middle: readonly string[], around: readonly string[]): void {
    this.set(
      (a, b) => (middle.includes(a) && around.includes(b)) || (middle.includes(b) && around.includes(a)),
    );
  }

  /** These reach each other, and nobody else. */
  allow(group: readonly string[]): void {
    this.set((a, b) => group.includes(a) && group.includes(b));
  }

  heal(): void {
    for (const link of this.cut.splice(0)) this.world.network.cut.delete(link);
  }

  private set(isOpen: (a: string, b: string) => boolean): void {
    this.heal();
    const {ids, network} = this.world;
    for (const a of ids)
      for (const b of ids) {
        if (a === b || isOpen(a, b)) continue;
        this.cut.push(`${a}>${b}`);
        network.cut.add(`${a}>${b}`);
      }
  }
}
