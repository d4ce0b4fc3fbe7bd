/** The modelled world has the spreads that it should have, and is the same for every policy. */
import assert from 'node:assert/strict';
import {CAPABILITIES, type ModelledAgent, modelAgents} from './agents.ts';
import {capacity, openClasses, openWorld} from './arrivals.ts';
import {CentralQueue} from './centralQueue.ts';
import {Chance, DRAW} from './chance.ts';
import {inTurns, OwnQueues} from './ownQueues.ts';
import {type Placer, Simulation} from './simulation.ts';
import {Timeline, USUAL_PACE} from './timeline.ts';
import {type ModelledTask, World} from './world.ts';

const HOUR_MS = 3_600_000;

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(values.map(value => (value - mean) ** 2)));
}

function near(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, not ${expected}`);
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  return (
    meanOf(a.map((value, at) => (value - meanA) * ((b[at] ?? 0) - meanB))) / deviationOf(a) / deviationOf(b)
  );
}

describe('draws', () => {
  it('depend on their keys and not on the order of asking', () => {
    const keys = [
      [1, 2, 3],
      [1, 3, 2],
      [0, 0, 0],
      [2, 1, 3],
    ] as const;
    const first = keys.map(key => new Chance(7).uniform(DRAW.noise, ...key));
    const chance = new Chance(7);
    chance.normal(DRAW.noise, 9);
    const again = [...keys].reverse().map(key => chance.uniform(DRAW.noise, ...key));
    assert.deepEqual(again.reverse(), first);
    assert.equal(new Set(first).size, keys.length);
    assert.notEqual(new Chance(8).uniform(DRAW.noise, 1, 2, 3), first[0]);
  });

  it('are uniform and normal, and neighbouring keys have nothing to do with each other', () => {
    const chance = new Chance(3);
    const uniform = Array.from({length: 20_000}, (_, at) => chance.uniform(DRAW.size, at));
    near(meanOf(uniform), 0.5, 0.01, 'mean');
    near(deviationOf(uniform), Math.sqrt(1 / 12), 0.005, 'deviation');
    const normal = Array.from({length: 20_000}, (_, at) => chance.normal(DRAW.size, at, 5));
    near(meanOf(normal), 0, 0.03, 'mean');
    near(deviationOf(normal), 1, 0.03, 'deviation');
    near(correlation(normal.slice(1), normal.slice(0, -1)), 0, 0.03, 'of neighbours');
  });
});

describe('modelled agents', () => {
  const shape = {agents: 3000, classes: openClasses(), alike: false, exact: false};
  const agents = modelAgents(new Chance(1), shape);
  const logsOf = (at: number): number[] => agents.map(agent => Math.log(agent.rates[at] ?? 0));

  it('differ in speed by 0.4 and in speed at a class by 0.35 more', () => {
    near(deviationOf(logsOf(0)), Math.hypot(0.4, 0.35), 0.02, 'of a class');
    const between = logsOf(0).map((log, at) => log - (logsOf(1)[at] ?? 0));
    near(deviationOf(between), 0.35 * Math.SQRT2, 0.02, 'between classes');
    near(correlation(logsOf(0), logsOf(1)), 0.4 ** 2 / (0.4 ** 2 + 0.35 ** 2), 0.04, 'correlation');
  });

  it('have 1 to 4 slots, each capability with 0.6, and gates that fail in 6% of tries', () => {
    near(meanOf(agents.map(agent => agent.slots)), 2.5, 0.08, 'slots');
    assert.deepEqual([...new Set(agents.map(agent => agent.slots))].sort(), [1, 2, 3, 4]);
    const held = agents.flatMap(agent => agent.holds.map(Number));
    near(meanOf(held), 0.6, 0.01, 'capabilities');
    near(meanOf(agents.flatMap(agent => [...agent.failures])), 0.06, 0.006, 'failures');
  });

  it('declare a proficiency that tells 0.6 of the truth', () => {
    const levels = ['basic', 'intermediate', 'expert', 'specialist'];
    const declared = agents.map(agent => levels.indexOf(agent.declared[0] ?? ''));
    const truth = agents.map(agent => {
      const logs = [...agent.rates].filter((_, at) => at % CAPABILITIES.length === 0).map(Math.log);
      return meanOf(logs);
    });
    // Four levels lose a little of it.
    near(correlation(declared, truth), 0.6 * 0.92, 0.05, 'correlation');
  });

  it('are alike when they are to be', () => {
    const alike = modelAgents(new Chance(1), {...shape, agents: 20, alike: true});
    const describe = ({slots, rates, holds, declared, failures}: ModelledAgent): string =>
      JSON.stringify({slots, rates: [...rates], holds, declared, failures: [...failures]});
    assert.equal(new Set(alike.map(describe)).size, 1);
  });
});

describe('a timeline', () => {
  it('is up 98% of the time, slow for a ninth of it, and drifts about 1', () => {
    const paces = Array.from({length: 100}, (_, agent) => {
      const timeline = new Timeline(new Chance(2), agent, false);
      return timeline.workBetween(0, 100 * HOUR_MS) / (100 * HOUR_MS);
    });
    near(meanOf(paces), USUAL_PACE * Math.exp(0.15 ** 2 / 2), 0.02, 'pace');
  });

  it('ends work when the work between is done, unless the machine crashes first', () => {
    const timeline = new Timeline(new Chance(4), 0, false);
    let crashes = 0;
    for (let from = 0; from < 40 * HOUR_MS; from += HOUR_MS / 7) {
      const crash = timeline.crash(from);
      assert.ok(crash && crash.until > from);
      const ending = timeline.ending(from, 600_000);
      if (ending.kind === 'done') {
        assert.ok(crash.from >= ending.at);
        near(timeline.workBetween(from, ending.at), 600_000, 1, 'work');
      } else {
        crashes += 1;
        assert.equal(ending.at, Math.max(from, crash.from));
      }
    }
    assert.ok(crashes > 5, `${crashes} crashes`);
  });
});

describe('tries', () => {
  it('of one task differ by 0.5 and are stuck in 2% of cases', () => {
    const {world, tasks} = openWorld({seed: 5, agents: 10, alike: false, load: 0.5, tasks: 3000});
    const [agent] = world.agents;
    assert.ok(agent);
    const logs = tasks.map(task => Math.log(world.tryOf(task, agent, 0).workMs / world.usualMs(task, agent)));
    const sorted = [...logs].sort((a, b) => a - b);
    near(sorted[1500] ?? 0, 0, 0.06, 'median');
    const quartiles = (sorted[2250] ?? 0) - (sorted[750] ?? 0);
    near(quartiles / 1.349, 0.5, 0.03, 'spread');
    near(logs.filter(log => log > 1.8).length / logs.length, 0.013, 0.007, 'stuck');
    const task = tasks[0] as ModelledTask;
    assert.notEqual(world.tryOf(task, agent, 0).workMs, world.tryOf(task, agent, 1).workMs);
  });

  it('are what the estimate says, within 0.4', () => {
    const {tasks} = openWorld({seed: 5, agents: 10, alike: false, load: 0.5, tasks: 3000});
    const logs = tasks.map(task => Math.log(task.estimateMs / task.sizeMs));
    near(deviationOf(logs), 0.4, 0.03, 'of estimates');
    near(meanOf(logs), 0, 0.03, 'bias');
  });
});

describe('open arrivals', () => {
  it('come at the load that is asked for, measured on a fleet that never runs dry', () => {
    // Accepted tasks a busy slot, over what the load counts with.
    const shares = [1, 2, 3, 4].map(seed => {
      const {world, tasks} = openWorld({seed, agents: 50, alike: false, load: 1.5, tasks: 3000});
      const outcome = new Simulation(world, tasks, new CentralQueue(world, {strategy: 'round-robin'})).run();
      const until = tasks.at(-1)?.arrivesAt ?? 0;
      const isDone = (task: ModelledTask): boolean =>
        task.arrivesAt + (outcome.sojournsMs[task.index] ?? 0) <= until;
      const slots = world.agents.reduce((sum, agent) => sum + agent.slots, 0);
      const busySlots = outcome.busyMs / until;
      return (tasks.filter(isDone).length / until / busySlots) * (slots / capacity(world));
    });
    near(meanOf(shares), 1, 0.05, 'work done');
  });

  it('arrive at 85% of that when the load is 0.85', () => {
    const {world, tasks} = openWorld({seed: 1, agents: 50, alike: false, load: 0.85, tasks: 20_000});
    near(tasks.length / (tasks.at(-1)?.arrivesAt ?? 0) / capacity(world), 0.85, 0.02, 'load');
  });
});

/** Keeps what each try took, by task, agent and number. */
class Watched extends World {
  readonly seen = new Map<string, number>();

  override tryOf(task: ModelledTask, agent: ModelledAgent, count: number): ReturnType<World['tryOf']> {
    const found = super.tryOf(task, agent, count);
    this.seen.set(`${task.id} ${agent.id} ${count}`, found.workMs * (found.isFailing ? -1 : 1));
    return found;
  }
}

describe('one seed', () => {
  const {world, tasks} = openWorld({seed: 9, agents: 12, alike: false, load: 0.8, tasks: 600});
  const policies = {
    late: (of: World) => new CentralQueue(of, {strategy: 'round-robin'}),
    weighted: (of: World) => new CentralQueue(of, {strategy: 'capability-weighted'}),
    early: (of: World) => new OwnQueues(of, inTurns(of.agents.length)),
  };

  it('is the same world for every policy', () => {
    const seen = Object.values(policies).map(policy => {
      const watched = new Watched(9, world.shape);
      new Simulation(watched, tasks, policy(watched)).run();
      return watched.seen;
    });
    const [first = new Map<string, number>(), ...others] = seen;
    for (const other of others) {
      const shared = [...other.keys()].filter(key => first.has(key));
      assert.ok(shared.length > 30, `${shared.length} tries in common`);
      for (const key of shared) assert.equal(other.get(key), first.get(key));
    }
  });

  it('gives the same run again, and every task one accepted completion', () => {
    for (const policy of Object.values(policies)) {
      const runs = [0, 1].map(() => {
        const again = new World(9, world.shape);
        const placer: Placer = policy(again);
        let accepted = 0;
        const ended = placer.ended.bind(placer);
        placer.ended = (run, end, now) => {
          if (end === 'accepted') accepted += 1;
          ended(run, end, now);
        };
        const outcome = new Simulation(again, tasks, placer).run();
        assert.equal(accepted, tasks.length);
        assert.ok(outcome.doneOn.every(agent => agent >= 0));
        return [...outcome.sojournsMs];
      });
      assert.deepEqual(runs[0], runs[1]);
    }
  });
});
