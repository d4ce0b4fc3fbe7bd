/** Three coordinators' stores, and three members of a real etcd, under real faults from a seed: what clients and watchers saw is judged as in the simulation. */
import assert from 'node:assert/strict';
import {findEnclosure} from '../../support/enclosure.ts';
import {missingEtcd} from '../../support/etcdServer.ts';
import {runEnclosed} from './enclosed.ts';
import {describeStep, drawPlan, FAULT_KINDS} from './faultPlan.ts';
import type {Outcome} from './trial.ts';
import {WRONGS, type Wrong} from './wrongDoors.ts';

const SEEDS = {embedded: 1, etcd: 8} as const;
/** Its first fault cuts the leader off from the others while clients reach it. */
const WRONG_SEED = 56;
/** Runs in which little happens would prove little. */
const LEAST_OPERATIONS = 200;
const LEAST_REVISIONS = 50;

const enclosure = findEnclosure(process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1');
const noEtcd = missingEtcd();
const lacking = enclosure.kind === 'missing' ? enclosure.why : undefined;

function run(options: Parameters<typeof runEnclosed>[1]): Promise<Outcome> {
  assert.ok(enclosure.kind === 'possible', 'skipped otherwise');
  return runEnclosed(enclosure, options);
}

describe('the plans of faults', () => {
  it('are the same for a seed each time, and have every kind within as many seeds as there are kinds', () => {
    assert.deepEqual(drawPlan(5), drawPlan(5));
    const firsts = FAULT_KINDS.map((_, seed) => drawPlan(seed)[0]?.faults[0]?.kind);
    assert.deepEqual(new Set(firsts), new Set(FAULT_KINDS));
  });
});

describe(`real members under real faults${lacking === undefined ? '' : `: ${lacking}`}`, function () {
  this.timeout(300_000);
  before(function () {
    if (lacking !== undefined) this.skip();
  });

  describe('tell a linearizable history, lose nothing, agree, and come back', () => {
    const runs = new Map<string, Promise<Outcome>>();
    before(() => {
      // Beside each other: they wait most of the time.
      runs.set('embedded', run({seed: SEEDS.embedded, store: 'embedded'}));
      if (noEtcd === undefined) runs.set('etcd', run({seed: SEEDS.etcd, store: 'etcd'}));
      for (const outcome of runs.values()) outcome.catch(() => undefined);
    });

    for (const store of ['embedded', 'etcd'] as const) {
      const missing = store === 'etcd' ? noEtcd : undefined;
      const plan = drawPlan(SEEDS[store]).map(describeStep).join('; ');
      it(`${store}, seed ${SEEDS[store]}: ${missing ?? plan}`, async function () {
        if (missing !== undefined) return this.skip();
        const outcome = await runs.get(store);
        assert.equal(outcome?.failure, undefined, outcome?.failure);
        assert.equal(outcome?.undecided, false);
        assert.ok(outcome.operations > LEAST_OPERATIONS, `${outcome.operations} operations`);
        assert.ok(outcome.revisions > LEAST_REVISIONS, `${outcome.revisions} revisions`);
        assert.ok(outcome.restarts > 0, 'members were killed');
        assert.ok(outcome.unknown > 0, 'writes were lost on the way');
        assert.ok(outcome.full > 0, 'a disk was full');
      });
    }
  });

  describe('a store that is wrong on purpose is found out', () => {
    const runs = new Map<Wrong, Promise<Outcome>>();
    before(() => {
      for (const wrong of WRONGS) {
        const outcome = run({seed: WRONG_SEED, store: 'embedded', steps: 1, wrong});
        outcome.catch(() => undefined);
        runs.set(wrong, outcome);
      }
    });

    const findings: Readonly<Record<Wrong, RegExp>> = {
      staleReads: /^not linearizable/,
      forgottenWrites: /^an acknowledged write is lost/,
      repeatedWrites: /linearizable/,
      droppedEvents: /^watcher \S+ was given revision/,
    };
    for (const wrong of WRONGS)
      it(wrong, async () => {
        const outcome = await runs.get(wrong);
        assert.match(outcome?.failure ?? 'nothing was found', findings[wrong]);
      });
  });
});
