/**
 * Merge of sets, which are arrays whose order and repeats say nothing: whatever either side added is in, whatever either side took away is out.
 * Pure; which side is which makes no difference.
 */
import {canonicalJson, type JsonValue} from '../../runtime/json.ts';
import {type Merge, merged, unmergeable} from './memoryConflict.ts';

export const setMerge: Merge = (base, mine, theirs) => {
  if (!Array.isArray(mine) || !Array.isArray(theirs)) return unmergeable('not a set, which is an array');
  const [before, ofMine, ofTheirs] = [elements(base), elements(mine), elements(theirs)];
  const kept = [...before].filter(([text]) => ofMine.has(text) && ofTheirs.has(text));
  const added = [...new Map([...ofMine, ...ofTheirs])]
    .filter(([text]) => !before.has(text))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return merged([...kept, ...added].map(([, value]) => value));
};

/** By canonical text, in the order of the array. */
function elements(value: JsonValue | undefined): Map<string, JsonValue> {
  const list = Array.isArray(value) ? value : [];
  return new Map(list.map(each => [canonicalJson(each), each]));
}
