/** Whose memory somebody may touch: what every service of shared memory asks first. */
import type {Fences} from '../effects/fences.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {AttemptLive} from '../protocol/model/attempt.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import {assert} from '../runtime/assert.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Principal} from '../security/principal.ts';
import {readRecords} from '../store/records.ts';
import type {Store} from '../store/store.ts';

export interface MemoryScopeOptions {
  readonly fences: Fences;
  readonly attempts: LiveAttempts;
  readonly tenant: string;
  readonly clock: Clock;
  /** Of this coordinator, for the values that are written here. */
  readonly instanceId: string;
}

export class MemoryScope {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly fences: Fences;
  readonly clock: Clock;
  readonly instanceId: string;

  constructor(private readonly options: MemoryScopeOptions) {
    this.fences = options.fences;
    this.store = options.fences.store;
    this.keys = options.fences.keys;
    this.clock = options.clock;
    this.instanceId = options.instanceId;
  }

  checkTenant({tenant}: Principal): void {
    assert(tenant === this.options.tenant, `a principal of tenant ${tenant} came here`);
  }

  /** An agent reads the sessions that it works for. Errors: `forbidden`. */
  async checkReader(sessionId: string, principal: Principal): Promise<void> {
    this.checkTenant(principal);
    if (!(await this.worksFor(sessionId, principal)))
      throw new ProtocolError('forbidden', `${principal.id} has no attempt of session ${sessionId}`);
  }

  /** True for whoever is no agent. */
  async worksFor(sessionId: string, {role, agentId}: Principal): Promise<boolean> {
    if (role !== 'agent') return true;
    const prefix = `${sessionId}.`;
    const known = agentId === undefined ? [] : this.options.attempts.attemptsOn(agentId);
    if (known.some(({attemptId}) => attemptId.startsWith(prefix))) return true;
    // The picture in memory may lag behind an assignment.
    const {records} = await readRecords(this.store, AttemptLive, `${this.keys.lives}${prefix}`);
    return records.some(({value}) => value.agentId === agentId);
  }
}
