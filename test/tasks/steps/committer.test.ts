/** Steps become few fenced transactions, each step applies at most once, and one that cannot apply does not hold up the others. */
import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {CoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import {absent} from '../../../coordinator/store/records.ts';
import type {Store, Txn, TxnResult} from '../../../coordinator/store/store.ts';
import {Committer, type Step} from '../../../coordinator/tasks/steps/committer.ts';

describe('Committer', () => {
  let folder: string;
  let store: Store;
  let txns: Txn[];
  let fault: ((txn: Txn, run: () => Promise<TxnResult>) => Promise<TxnResult>) | undefined;
  let fenced: number;
  let faults: unknown[];
  let committer: Committer;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-committer-'));
    store = await openEmbeddedStore({directory: folder, clock: systemClock, random: systemRandom});
    const {revision} = await store.txn({then: [{kind: 'put', key: 'lead', value: 'c-1'}]});
    txns = [];
    fault = undefined;
    fenced = 0;
    const watched: Store = Object.create(store);
    watched.txn = txn => {
      txns.push(txn);
      const run = (): Promise<TxnResult> => store.txn(txn);
      return fault ? fault(txn, run) : run();
    };
    faults = [];
    committer = new Committer(
      watched,
      {key: 'lead', target: 'create', op: '=', operand: revision},
      {
        clock: systemClock,
        logger: silentLogger,
        maxInFlight: 2,
        onFenced: () => {
          fenced += 1;
        },
        onFault: error => faults.push(error),
      },
    );
  });
  afterEach(async () => {
    committer.stop();
    await store.close();
    await rm(folder, {recursive: true, force: true});
  });

  type Outcome = 'committed' | 'refused' | 'tooLarge' | 'abandoned';

  function submit(key: string, value = key, more: Partial<Step> = {}): Promise<Outcome> {
    return new Promise(resolve => {
      committer.submit({
        compare: [absent(key)],
        ops: [{kind: 'put', key, value}],
        committed: () => resolve('committed'),
        refused: () => resolve('refused'),
        tooLarge: () => resolve('tooLarge'),
        abandoned: () => resolve('abandoned'),
        ...more,
      });
    });
  }

  it('packs what is submitted together and keeps to the limits of a transaction', async () => {
    const steps = Array.from({length: 300}, (_, index) => submit(`k-${index}`));
    assert.ok((await Promise.all(steps)).every(outcome => outcome === 'committed'));
    assert.equal(txns.length, 3);
    assert.equal((await store.range('k-')).kvs.length, 300);
  });

  it('hands back the step that does not hold and commits the others', async () => {
    await store.txn({then: [{kind: 'put', key: 'b', value: 'taken'}]});
    const outcomes = await Promise.all([submit('a'), submit('b'), submit('c')]);
    assert.deepEqual(outcomes, ['committed', 'refused', 'committed']);
    assert.equal((await store.get('b'))?.value, 'taken');
  });

  it('fails only the step that is too large', async () => {
    const outcomes = await Promise.all([submit('a'), submit('b', 'x'.repeat(70_000)), submit('c')]);
    assert.deepEqual(outcomes, ['committed', 'tooLarge', 'committed']);
  });

  for (const [what, applied] of [
    ['was applied', true],
    ['was not applied', false],
  ] as const)
    it(`applies a step once whose transaction timed out and ${what}`, async () => {
      let faults = 1;
      fault = async (_txn, run) => {
        if (faults-- <= 0) return run();
        if (applied) await run();
        throw new CoordinatorError('timeout', 'nobody answered');
      };
      assert.deepEqual(await Promise.all([submit('a'), submit('b')]), ['committed', 'committed']);
      assert.deepEqual([(await store.get('a'))?.version, (await store.get('b'))?.version], [1, 1]);
    });

  it('does not take another writer for itself after a timeout', async () => {
    let faults = 1;
    fault = async (_txn, run) => {
      if (faults-- <= 0) return run();
      await store.txn({then: [{kind: 'put', key: 'a', value: 'other'}]});
      throw new CoordinatorError('timeout', 'nobody answered');
    };
    assert.equal(await submit('a'), 'refused');
    assert.equal((await store.get('a'))?.value, 'other');
  });

  it('tells of a step whose callback throws, and the others of its transaction hear all the same', async () => {
    const thrown = new Error('a bug');
    const broken = submit('a', 'a', {
      committed: () => {
        throw thrown;
      },
    });
    assert.equal(await submit('b'), 'committed');
    assert.deepEqual(faults, [thrown]);
    void broken;
  });

  it('waits while the store is unavailable', async () => {
    let faults = 2;
    fault = async (_txn, run) => {
      if (faults-- > 0) throw new CoordinatorError('unavailable', 'no majority');
      return run();
    };
    assert.equal(await submit('a'), 'committed');
  });

  it('writes nothing once its fence has fallen, and says so', async () => {
    await store.txn({then: [{kind: 'delete', key: 'lead'}]});
    await store.txn({then: [{kind: 'put', key: 'lead', value: 'c-2'}]});
    assert.deepEqual(await Promise.all([submit('a'), submit('b')]), ['abandoned', 'abandoned']);
    assert.equal(fenced, 1);
    assert.equal(await store.get('a'), undefined);
  });

  it('abandons what waits when it is stopped', async () => {
    fault = () => new Promise(() => undefined);
    const steps = Array.from({length: 400}, (_, index) => submit(`k-${index}`));
    await Promise.resolve();
    committer.stop();
    assert.equal(await (steps.at(-1) as Promise<Outcome>), 'abandoned');
    assert.equal(await submit('late'), 'abandoned');
  });
});
