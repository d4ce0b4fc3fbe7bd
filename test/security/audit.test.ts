/** The audit log on a real store: every decision in its own transaction, in one chain that shows what was tampered with. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AuditRecord} from '../../coordinator/protocol/model/facts.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {auditHash, type KeyedAuditRecord, verifyChain} from '../../coordinator/security/auditChain.ts';
import {absent, readRecords} from '../../coordinator/store/records.ts';
import type {Store, Txn} from '../../coordinator/store/store.ts';
import {client, keys, TENANT} from '../fixtures/attempts.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

describe('audit log', () => {
  let test: TestStore;

  beforeEach(async () => {
    test = await openTestStore();
  });
  afterEach(() => test.remove());

  const auditLog = (store: Store = test.store, writerId = 'c-1'): AuditLog =>
    new AuditLog({store, tenant: TENANT, writerId, clock: systemClock, logger: silentLogger});
  const put = (key: string): Txn => ({compare: [absent(key)], then: [{kind: 'put', key, value: 'x'}]});
  const decide = (log: AuditLog, key: string) =>
    log.auditedTxn(put(key), {action: 'test.put', subject: key, detail: {key}, principal: client});
  const chain = async (writerId = 'c-1'): Promise<KeyedAuditRecord[]> =>
    (await readRecords(test.store, AuditRecord, `${keys.audit}${writerId}/`)).records;
  const outcomes = (records: readonly KeyedAuditRecord[]) =>
    records.map(({value}) => `${value.action} ${value.subject} ${value['outcome']}`);

  it('records a decision in its own transaction, and a refused one as refused', async () => {
    const log = auditLog();
    const first = await decide(log, 'k');
    const second = await decide(log, 'k');
    assert.deepEqual([first.succeeded, second.succeeded], [true, false]);
    const records = await chain();
    assert.deepEqual(outcomes(records), ['audit.opened c-1 done', 'test.put k done', 'test.put k refused']);
    const [, done] = records;
    const [made] = (await test.store.range('k')).kvs;
    assert.equal(done && (await test.store.get(done.key))?.modRevision, made?.modRevision);
    assert.equal(done?.value.principal, client.id);
    assert.deepEqual(verifyChain(records), {kind: 'intact', records: 3});
  });

  it('leaves lost races out where it is asked to', async () => {
    const log = auditLog();
    await decide(log, 'k');
    const result = await log.auditedTxn(
      {...put('k'), else: [{kind: 'get', key: 'k'}]},
      {action: 'test.put', subject: 'k', principal: client, refusals: false},
    );
    assert.equal(result.responses.length, 1);
    await decide(log, 'l');
    assert.deepEqual(outcomes(await chain()).slice(1), ['test.put k done', 'test.put l done']);
    assert.equal(verifyChain(await chain()).kind, 'intact');
  });

  it('keeps one chain under many decisions at once and over restarts', async () => {
    for (let start = 0; start < 3; start++) {
      const log = auditLog();
      await Promise.all(Array.from({length: 40}, (_, n) => decide(log, `k-${n % 30}`)));
      await test.reopen();
    }
    const records = await chain();
    assert.equal(records.length, 3 * 41);
    assert.equal(verifyChain(records).kind, 'intact');
    assert.deepEqual(
      records.map(({value}) => value.sequence),
      records.map((_, index) => index + 1),
    );
  });

  it('chains the records of each writer by themselves', async () => {
    const logs = ['c-1', 'c-2'].map(id => auditLog(test.store, id));
    await Promise.all(Array.from({length: 20}, (_, n) => decide(logs[n % 2] as AuditLog, `k-${n}`)));
    for (const id of ['c-1', 'c-2'])
      assert.deepEqual(verifyChain(await chain(id)), {kind: 'intact', records: 11});
  });

  it('reads the outcome of a transaction whose answer was lost', async () => {
    const log = auditLog(losing(test.store, 'answer', [2, 3]));
    await decide(log, 'before');
    const kept = await decide(log, 'k');
    const refused = await decide(log, 'k');
    assert.deepEqual([kept.succeeded, refused.succeeded], [true, false]);
    await decide(log, 'l');
    assert.deepEqual(outcomes(await chain()).slice(1), [
      'test.put before done',
      'test.put k done',
      'test.put k refused',
      'test.put l done',
    ]);
    assert.equal(verifyChain(await chain()).kind, 'intact');
  });

  it('survives a transaction that is applied after its writer has gone on', async () => {
    const late: (() => Promise<void>)[] = [];
    const log = auditLog(losing(test.store, 'late', [2], late));
    await decide(log, 'before');
    await assert.rejects(decide(log, 'k'), (error: unknown) => error instanceof CoordinatorError);
    await decide(log, 'l');
    for (const apply of late) await apply();
    const again = auditLog();
    await decide(again, 'm');
    const records = await chain();
    assert.deepEqual(outcomes(records), [
      'audit.opened c-1 done',
      'test.put before done',
      'test.put k done',
      'audit.opened c-1 done',
      'test.put l done',
      'audit.opened c-1 done',
      'test.put m done',
    ]);
    assert.equal(verifyChain(records).kind, 'intact');
  });

  it('detects every change, removal, swap and forged hash before the last record', async () => {
    const logs = [auditLog(), auditLog()];
    for (const log of logs) for (let n = 0; n < 6; n++) await decide(log, `k-${n}`);
    const records = await chain();
    assert.deepEqual(verifyChain(records), {kind: 'intact', records: 14});
    const index = fc.nat(records.length - 2);
    fc.assert(
      fc.property(index, fc.constantFrom('alter', 'forge', 'remove', 'swap', 'move'), (at, how) => {
        const tampered = tamper(records, at, how);
        assert.equal(verifyChain(tampered).kind, 'broken', `${how} ${at}`);
      }),
    );
  });
});

function tamper(
  records: readonly KeyedAuditRecord[],
  at: number,
  how: 'alter' | 'forge' | 'remove' | 'swap' | 'move',
): KeyedAuditRecord[] {
  const copy = [...records];
  const one = records[at] as KeyedAuditRecord;
  const next = records[at + 1] as KeyedAuditRecord;
  const altered = {...one.value, subject: 'somebody else'};
  switch (how) {
    case 'alter':
      copy[at] = {...one, value: altered};
      break;
    case 'forge':
      copy[at] = {...one, value: {...altered, hash: auditHash(altered)}};
      break;
    case 'remove':
      copy.splice(at, 1);
      break;
    case 'swap':
      copy[at] = {key: one.key, value: next.value};
      copy[at + 1] = {key: next.key, value: one.value};
      break;
    case 'move':
      copy[at] = {...one, key: one.key.replace('/c-1/', '/c-9/')};
      break;
  }
  return copy;
}

/** A store that loses the answers of its n-th transactions: `answer` applies them first, `late` when the test says so. */
function losing(
  store: Store,
  how: 'answer' | 'late',
  lost: number[],
  late: (() => Promise<void>)[] = [],
): Store {
  let count = 0;
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name !== 'txn') return member.bind(target);
      return async (txn: Txn) => {
        if (!lost.includes(count++)) return target.txn(txn);
        if (how === 'answer') await target.txn(txn);
        else late.push(async () => void (await target.txn(txn)));
        throw new CoordinatorError('timeout', 'the answer was lost');
      };
    },
  });
}
