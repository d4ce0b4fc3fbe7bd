/** The tenant's rules for conflicts: kept in the store, followed by every coordinator, changed by people. */

import {boundedPut} from '../effects/recordSize.ts';
import {WatchedRecords} from '../effects/watchedRecords.ts';
import type {Logger} from '../observability/logger.ts';
import type {MemoryPolicy, MemoryPolicyResult} from '../protocol/commands/memory.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {type ConflictRule, ConflictRules, MAX_CONFLICT_RULES} from '../protocol/model/conflictStrategy.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {absent, readRecord, unchanged} from '../store/records.ts';
import type {ConflictResolver} from './conflict/conflictResolver.ts';
import {ruleFor, sameRule} from './conflict/conflictRules.ts';
import type {MemoryScope} from './memoryScope.ts';

export interface ConflictPoliciesOptions {
  readonly scope: MemoryScope;
  readonly audit: Pick<AuditLog, 'auditedTxn'>;
  readonly logger: Logger;
}

export class ConflictPolicies implements Disposable {
  private readonly watched: WatchedRecords<typeof ConflictRules>;

  constructor(private readonly options: ConflictPoliciesOptions) {
    const {scope, logger} = options;
    const {store, clock, keys} = scope;
    this.watched = new WatchedRecords({
      store,
      schema: ConflictRules,
      prefix: keys.memoryPolicy,
      clock,
      logger,
    });
  }

  start(): Promise<void> {
    return this.watched.start();
  }

  dispose(): void {
    this.watched.dispose();
  }

  ruleFor(sessionId: string | undefined, key: string): ConflictRule {
    const {keys} = this.options.scope;
    return ruleFor(this.watched.get(keys.memoryPolicy)?.value.rules ?? [], sessionId, key);
  }

  /** Errors: `invalidParams` (no such merge), `tooLarge` (too many rules). */
  async change(
    {set, remove}: MemoryPolicy,
    principal: Principal,
    resolver: Pick<ConflictResolver, 'knows'>,
  ): Promise<MemoryPolicyResult> {
    const {scope, audit} = this.options;
    const {store, keys} = scope;
    scope.checkTenant(principal);
    if (set?.merge !== undefined && !resolver.knows(set.merge))
      throw new ProtocolError('invalidParams', `there is no merge ${set.merge}`);
    for (let tries = scope.fences.settings.maxTries; tries > 0; tries--) {
      const stored = await readRecord(store, ConflictRules, keys.memoryPolicy);
      const before = stored?.value.rules ?? [];
      if (!set && !remove) return {rules: before};
      const rules = changed(before, set, remove);
      if (rules.length > MAX_CONFLICT_RULES)
        throw new ProtocolError('tooLarge', `at most ${MAX_CONFLICT_RULES} rules are kept`);
      const record = {...stored?.value, v: RECORD_VERSION, principal: principal.id, rules};
      const {succeeded} = await audit.auditedTxn(
        {
          compare: [stored ? unchanged(stored) : absent(keys.memoryPolicy)],
          then: [boundedPut(keys.memoryPolicy, record)],
        },
        {
          action: 'memory.policy',
          subject: `keys ${(set ?? remove)?.prefix}*`,
          detail: set ? {...set} : null,
          principal,
          refusals: false,
        },
      );
      if (!succeeded) continue;
      const kv = await store.get(keys.memoryPolicy);
      if (kv) this.watched.take(kv);
      return {rules};
    }
    throw new ProtocolError('overloaded', 'the rules are changed too often; this change was not made');
  }
}

function changed(
  rules: readonly ConflictRule[],
  set: MemoryPolicy['set'],
  remove: MemoryPolicy['remove'],
): ConflictRule[] {
  const kept = rules.filter(rule => !(set && sameRule(rule, set)) && !(remove && sameRule(rule, remove)));
  const all = set ? [...kept, set] : kept;
  return all.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

function order({prefix, sessionId = ''}: ConflictRule): string {
  return `${prefix}\0${sessionId}`;
}
