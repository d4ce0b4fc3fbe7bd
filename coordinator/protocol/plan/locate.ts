/** Where in the text a path of the plan is: the value at it, its key, or the nearest thing around it that exists. */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type Pair,
  type ParsedNode,
} from 'yaml';
import {rangeOf} from './compose.ts';
import {PLAN_START, type PlanPosition} from './diagnostics.ts';
import {isMergeKey} from './evaluate.ts';

type Entry = Pair<ParsedNode, ParsedNode | null>;
interface Place {
  readonly node: ParsedNode | null;
  readonly key: ParsedNode | undefined;
}

export class Locator {
  constructor(
    private readonly root: ParsedNode,
    private readonly aliases: ReadonlyMap<Alias, ParsedNode>,
    private readonly lines: LineCounter,
  ) {}

  /** The value at `path`, else the nearest value around it. A mapping is shown by its first key, an empty value by its own key. */
  value(path: readonly PropertyKey[]): PlanPosition {
    const {node, key} = this.places(path).at(-1) ?? {node: this.root, key: undefined};
    if (node === null || (isScalar(node) && node.range[0] === node.range[1]))
      return this.position(key ?? node);
    if (!isMap(node) || node.flow) return this.position(node);
    const first = node.items[0]?.key;
    const {range} = node;
    return rangeOf(this.lines, range[0], isScalar(first) && first.range ? first.range[1] : range[0] + 1);
  }

  /** The key at `path`; where there is none, as `value`. */
  key(path: readonly PropertyKey[]): PlanPosition {
    const places = this.places(path);
    const key = places.length > path.length ? places.at(-1)?.key : undefined;
    return key ? this.position(key) : this.value(path);
  }

  /** The text of a scalar as it was written. */
  source(path: readonly PropertyKey[]): string | undefined {
    const places = this.places(path);
    const node = places.length > path.length ? places.at(-1)?.node : undefined;
    return isScalar(node) ? node.source : undefined;
  }

  /** The root and what exists of the path below it. */
  private places(path: readonly PropertyKey[]): Place[] {
    const places: Place[] = [{node: this.root, key: undefined}];
    for (const part of path) {
      const node = this.resolve(places.at(-1)?.node ?? null);
      if (isMap(node)) {
        const entry = this.entry(node.items as Entry[], String(part));
        if (!entry) break;
        places.push({node: entry.value, key: entry.key});
      } else if (isSeq(node)) {
        const item = node.items[Number(part)] as ParsedNode | undefined;
        if (!item) break;
        places.push({node: item, key: undefined});
      } else break;
    }
    return places;
  }

  private entry(entries: readonly Entry[], name: string): Entry | undefined {
    const own = entries.find(entry => isScalar(entry.key) && entry.key.value === name);
    if (own) return own;
    for (const {key, value} of entries) {
      if (!isMergeKey(key)) continue;
      const source = this.resolve(value);
      for (const merged of isSeq(source) ? (source.items as ParsedNode[]) : [source]) {
        const mapping = this.resolve(merged);
        const found = isMap(mapping) ? this.entry(mapping.items as Entry[], name) : undefined;
        if (found) return found;
      }
    }
    return undefined;
  }

  private resolve(node: ParsedNode | null): ParsedNode | null {
    return isAlias(node) ? (this.aliases.get(node) ?? null) : node;
  }

  private position(node: ParsedNode | null): PlanPosition {
    return node ? rangeOf(this.lines, node.range[0], node.range[1]) : PLAN_START;
  }
}
