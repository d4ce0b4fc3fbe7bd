/** Strategies by the names that plans and people give. */
import {placementRule, placementRuleNames} from '../../balancing/placementRules.ts';
import type {PlacementRule} from '../../balancing/strategy.ts';
import {ProtocolError} from '../../protocol/errors.ts';

/** Throws `invalidParams`, naming `field` and those that are known. */
export function requireRule(name: string, field: string): PlacementRule {
  const rule = placementRule(name);
  if (rule) return rule;
  const known = placementRuleNames();
  throw new ProtocolError(
    'invalidParams',
    `the strategy "${name}" is not known; known are ${known.join(', ')}`,
    {field, known},
  );
}
