/** Which rule holds for a key. Pure. */
import type {ConflictRule} from '../../protocol/model/conflictStrategy.ts';

/** Members that only one side touched are merged; a person decides about the others. */
export const DEFAULT_RULE: ConflictRule = {
  prefix: '',
  strategy: 'merge',
  merge: 'json',
  otherwise: 'manual',
};

/** The one with the longest prefix that fits; one of the session before one of all. */
export function ruleFor(
  rules: readonly ConflictRule[],
  sessionId: string | undefined,
  key: string,
): ConflictRule {
  let best = DEFAULT_RULE;
  for (const rule of rules) {
    if (!key.startsWith(rule.prefix)) continue;
    if (rule.sessionId !== undefined && rule.sessionId !== sessionId) continue;
    if (weight(rule) >= weight(best)) best = rule;
  }
  return best;
}

export function sameRule(
  a: Pick<ConflictRule, 'prefix' | 'sessionId'>,
  b: Pick<ConflictRule, 'prefix' | 'sessionId'>,
): boolean {
  return a.prefix === b.prefix && a.sessionId === b.sessionId;
}

function weight({prefix, sessionId}: ConflictRule): number {
  return 2 * prefix.length + (sessionId === undefined ? 0 : 1);
}
