/**
 * Takes one offline write into shared memory: as it is where its writer had seen the newest version, by the key's rule where it had not, and
 * apart for a person where its fence has fallen. Each is one transaction that compares the fence, the key, and how far the writer's writes
 * were taken before, and that moves this mark: a write that is sent again is never taken again.
 */
import {boundedPut} from '../effects/recordSize.ts';
import type {OfflineWrite} from '../protocol/commands/memory.ts';
import {isProtocolError, ProtocolError} from '../protocol/errors.ts';
import {parseAttemptId} from '../protocol/ids.ts';
import {MemoryMark, type WriteOutcome} from '../protocol/model/memory.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {compareClocks, HUB, mergeClocks, type VectorClock} from '../protocol/vectorClock.ts';
import {assert} from '../runtime/assert.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import {canonicalJson, isDeeperThan, type JsonValue, MAX_JSON_DEPTH} from '../runtime/json.ts';
import type {Principal} from '../security/principal.ts';
import {absent, exists, found, putRecord, readRecord, type Stored, unchanged} from '../store/records.ts';
import type {Compare, Op} from '../store/store.ts';
import type {ConflictResolver} from './conflict/conflictResolver.ts';
import {type KeptConflict, keptConflict, openConflict} from './keptConflict.ts';
import type {MemoryScope} from './memoryScope.ts';
import {memoryRecord} from './memoryValue.ts';
import {type Present, presentValue} from './presentValue.ts';

/** Runs of agents that a clock names beside the writer's. */
const MAX_OTHER_WRITERS = 30;

/** What a transaction is to do, and what it will have come to. */
interface Step {
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
  readonly outcome: WriteOutcome;
}

interface Taken {
  readonly sessionId: string;
  readonly write: OfflineWrite;
  readonly principal: Principal;
  readonly agentId: string;
}

export class OfflineMerge {
  constructor(
    private readonly scope: MemoryScope,
    private readonly resolver: ConflictResolver,
  ) {}

  /** Rejects as the store does; then the write may or may not have been taken, and is to be sent again. */
  async take(sessionId: string, write: OfflineWrite, principal: Principal): Promise<WriteOutcome> {
    const {agentId} = principal;
    assert(agentId !== undefined, 'offline writes are of agents');
    const taken = {sessionId, write, principal, agentId};
    const wrong = (await this.notOfAgent(taken)) ?? impossible(write);
    if (wrong !== undefined) return {kind: 'refused', reason: wrong};
    for (let tries = this.scope.fences.settings.maxTries; tries > 0; tries--) {
      const mark = await readRecord(this.scope.store, MemoryMark, this.markKey(taken));
      if (mark && mark.value.sequence >= write.sequence) return repeated(mark, write);
      const outcome = await this.tryOnce(taken, mark);
      if (outcome) return outcome;
    }
    throw new ProtocolError('overloaded', `memory key ${write.key} is written too often; it is tried again`);
  }

  /** Why the agent may not write this at all. */
  private async notOfAgent({sessionId, write, principal}: Taken): Promise<string | undefined> {
    if (parseAttemptId(write.fence.attempt)?.sessionId !== sessionId)
      return `attempt ${write.fence.attempt} is not of session ${sessionId}`;
    try {
      await this.scope.fences.aloneOf(write.fence, principal);
      return undefined;
    } catch (error) {
      if (isProtocolError(error, 'forbidden') || isProtocolError(error, 'staleFence')) return error.message;
      throw error;
    }
  }

  /** Undefined when something that it was decided from has changed meanwhile. */
  private async tryOnce(
    taken: Taken,
    mark: Stored<MemoryMark> | undefined,
  ): Promise<WriteOutcome | undefined> {
    const {fences, keys} = this.scope;
    const {sessionId, write} = taken;
    const present = await presentValue(this.scope, sessionId, write.key);
    const step = await this.step(taken, present);
    const marked = this.marking(taken, mark, step.outcome);
    const tried = await fences.tryCommit(write.fence, {
      compare: [...step.compare, marked.compare, exists(keys.session(sessionId))],
      then: [...step.ops, marked.op],
    });
    if (tried.kind === 'done') return atRevision(step.outcome, tried.revision);
    return tried.kind === 'stale' ? this.quarantine(taken, mark, present) : undefined;
  }

  private async step(taken: Taken, present: Present): Promise<Step> {
    const {write} = taken;
    const seen =
      present.revision === write.base.revision ||
      // Its replica had everything up to there, deletions too.
      present.revision <= (write.clock[HUB] ?? 0) ||
      ['before', 'equal'].includes(compareClocks(present.clock, write.clock));
    return bounded(async () => (seen ? this.asItIs(taken, present) : await this.reconciled(taken, present)));
  }

  private asItIs(taken: Taken, present: Present): Step {
    const {value} = taken.write;
    const ops = this.change(taken, present, value, {clock: taken.write.clock});
    const version = value === undefined ? 0 : present.version + 1;
    return {compare: [present.same], ops, outcome: {kind: 'applied', revision: 0, version}};
  }

  private async reconciled(taken: Taken, present: Present): Promise<Step> {
    const {sessionId, write} = taken;
    const earlier = await openConflict(this.scope, {...taken, reason: 'concurrent'});
    const goesOn = earlier !== undefined && sameJson(earlier.value.mine.value, write.base.value);
    // On top of a write of its own that nobody has chosen yet: both together are what a person, or the rule, decides about.
    const base = await this.baseOf(goesOn ? (earlier.value.base ?? NOTHING) : write.base, taken);
    const {strategy, resolution} = this.resolver.resolve({
      key: write.key,
      sessionId,
      base: {value: base, clock: {[HUB]: write.base.revision}, revision: write.base.revision},
      theirs: present,
      mine: {value: write.value, clock: write.clock},
    });
    if (resolution.kind === 'manual' || present.unreadable)
      return this.keptApart(taken, present, base, 'concurrent');
    const {kept, value} = resolution;
    const outcome: WriteOutcome = {kind: 'resolved', strategy, kept, revision: 0};
    const settled = goesOn
      ? {compare: [unchanged(earlier)], ops: [{kind: 'delete', key: earlier.key} as const]}
      : {compare: [], ops: []};
    const compare = [present.same, ...settled.compare];
    if (kept === 'theirs') return {compare, ops: settled.ops, outcome};
    const clock =
      kept === 'mine'
        ? write.clock
        : mergeClocks(mergeClocks(present.clock, {[HUB]: present.revision}), write.clock);
    const ops = this.change(taken, present, value, {clock, resolved: {strategy}});
    return {compare, ops: [...ops, ...settled.ops], outcome};
  }

  /** What the writer saw, which its own earlier writes may have made; else what the store remembers. */
  private async baseOf(
    {revision = 0, value}: {readonly revision?: number | undefined; readonly value?: JsonValue | undefined},
    {sessionId, write}: Taken,
  ): Promise<JsonValue | undefined> {
    if (value !== undefined || revision === 0) return value;
    try {
      return (await presentValue(this.scope, sessionId, write.key, revision)).value;
    } catch (error) {
      if (isCoordinatorError(error, 'notFound') || isCoordinatorError(error, 'unavailable')) return undefined;
      throw error;
    }
  }

  private async keptApart(
    taken: Taken,
    present: Present,
    base: JsonValue | undefined,
    reason: KeptConflict['reason'],
  ): Promise<Step> {
    const {id, key, record, earlier} = await keptConflict(this.scope, {...taken, present, base, reason});
    const kind = reason === 'staleFence' ? 'quarantined' : 'conflict';
    return {
      compare: [earlier ? unchanged(earlier) : absent(key)],
      ops: [boundedPut(key, record)],
      outcome: {kind, conflictId: id},
    };
  }

  /** Kept by a transaction that finds the fence fallen. */
  private async quarantine(
    taken: Taken,
    mark: Stored<MemoryMark> | undefined,
    present: Present,
  ): Promise<WriteOutcome | undefined> {
    const {store, keys, fences} = this.scope;
    const {fence} = taken.write;
    const {value} = taken.write.base;
    const step = await bounded(() => this.keptApart(taken, present, value, 'staleFence'));
    const marked = this.marking(taken, mark, step.outcome);
    const session = keys.session(taken.sessionId);
    const live = keys.live(fence.attempt);
    const fallen: Compare[] = fences.isOfThisStore(fence)
      ? [{key: live, target: 'create', op: '!=', operand: fence.revision}]
      : [];
    const result = await store.txn({
      compare: [exists(session), ...fallen, ...step.compare, marked.compare],
      then: [...step.ops, marked.op],
      else: [{kind: 'get', key: session}],
    });
    if (result.succeeded) return step.outcome;
    return found(result.responses[0])
      ? undefined
      : {kind: 'refused', reason: `session ${taken.sessionId} is gone`};
  }

  private change(
    {sessionId, write, principal, agentId}: Taken,
    present: Present,
    value: JsonValue | undefined,
    {clock, ...how}: Pick<ReturnType<typeof memoryRecord>, 'resolved'> & {readonly clock: VectorClock},
  ): Op[] {
    const {keys} = this.scope;
    const {key, timestamp, fence, ttl} = write;
    const at = keys.memoryKey(sessionId, key);
    const seen = kept(clock, write);
    if (value !== undefined) {
      const lasts = ttl !== undefined && {ttl};
      const more = {attemptId: fence.attempt, instanceId: agentId, clock: seen, ...lasts, ...how};
      return [boundedPut(at, memoryRecord(value, principal.id, timestamp, more))];
    }
    if (present.version === 0) return [];
    const deletion = {
      v: RECORD_VERSION,
      principal: principal.id,
      timestamp,
      version: present.version,
      attemptId: fence.attempt,
      clock: seen,
    };
    return [{kind: 'delete', key: at}, putRecord(keys.memoryDeletion(sessionId, key), deletion)];
  }

  private marking(
    taken: Taken,
    mark: Stored<MemoryMark> | undefined,
    outcome: WriteOutcome,
  ): {readonly compare: Compare; readonly op: Op} {
    const key = this.markKey(taken);
    const {sequence} = taken.write;
    const record: MemoryMark = {v: RECORD_VERSION, principal: taken.principal.id, sequence, outcome};
    return {compare: mark ? unchanged(mark) : absent(key), op: putRecord(key, record)};
  }

  private markKey({sessionId, agentId, write}: Taken): string {
    return this.scope.keys.memoryMark(sessionId, agentId, write.incarnation);
  }
}

const NOTHING = {};

function impossible({value, base}: OfflineWrite): string | undefined {
  const deep = isDeeperThan(value, MAX_JSON_DEPTH) || isDeeperThan(base.value, MAX_JSON_DEPTH);
  return deep ? `the value is nested more than ${MAX_JSON_DEPTH} times` : undefined;
}

function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonicalJson(a) === canonicalJson(b);
}

/** Which of a clock is kept with a value. Its writer's own count tells versions apart; who has seen that has seen the others. */
function kept(clock: VectorClock, {incarnation}: OfflineWrite): VectorClock {
  const others = Object.entries(clock).filter(([writer]) => writer !== HUB && writer !== incarnation);
  const own = Object.entries(clock).filter(([writer]) => writer === HUB || writer === incarnation);
  return Object.fromEntries([...others.slice(0, MAX_OTHER_WRITERS), ...own]);
}

/** What does not fit is refused for good, rather than sent again and again. */
async function bounded(make: () => Promise<Step>): Promise<Step> {
  try {
    return await make();
  } catch (error) {
    if (!isProtocolError(error, 'tooLarge')) throw error;
    return {compare: [], ops: [], outcome: {kind: 'refused', reason: error.message}};
  }
}

/** The outcome of the newest write is kept, so that an answer that was lost can be given again. */
function repeated({value, modRevision}: Stored<MemoryMark>, {sequence}: OfflineWrite): WriteOutcome {
  return value.sequence === sequence ? atRevision(value.outcome, modRevision) : {kind: 'repeated'};
}

function atRevision(outcome: WriteOutcome, revision: number): WriteOutcome {
  return 'revision' in outcome ? {...outcome, revision} : outcome;
}
