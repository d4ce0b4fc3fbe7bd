/**
 * YAML nodes to plain values: anchors, aliases and merge keys, with every key checked. Aliased values are shared, so what they would expand to is
 * counted instead of built: a page of YAML can stand for gigabytes.
 */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type ParsedNode,
  type YAMLMap,
} from 'yaml';
import {MAX_NESTING, rangeOf} from './compose.ts';
import {formatPath, MAX_DIAGNOSTICS, type PlanDiagnostic, quoted} from './diagnostics.ts';

/** Values after expansion of aliases. */
const MAX_VALUES = 10_000_000;

export interface EvaluatedPlan {
  readonly value: unknown;
  /** What each alias stands for. */
  readonly aliases: ReadonlyMap<Alias, ParsedNode>;
  readonly problems: readonly PlanDiagnostic[];
}

export function evaluatePlan(contents: ParsedNode, lines: LineCounter): EvaluatedPlan {
  const evaluation = new Evaluation(lines);
  const {value} = evaluation.node(contents, []);
  return {value, aliases: evaluation.aliases, problems: evaluation.problems};
}

/** A value with the number of values in it and the levels below it, aliases expanded. */
interface Measured {
  readonly value: unknown;
  readonly size: number;
  readonly depth: number;
}

const NOTHING: Measured = {value: undefined, size: 1, depth: 1};

interface Anchor {
  readonly node: ParsedNode;
  /** Absent while the anchored value is being evaluated. */
  measured?: Measured;
}

class Evaluation {
  readonly problems: PlanDiagnostic[] = [];
  readonly aliases = new Map<Alias, ParsedNode>();
  private readonly anchors = new Map<string, Anchor>();
  private values = 0;

  constructor(private readonly lines: LineCounter) {}

  node(node: ParsedNode | null, path: readonly PropertyKey[]): Measured {
    if (node === null || this.exhausted) return NOTHING;
    this.values++;
    if (isAlias(node)) return this.alias(node, path);
    if (node.anchor === undefined) return this.content(node, path);
    const anchor: Anchor = {node};
    this.anchors.set(node.anchor, anchor);
    anchor.measured = this.content(node, path);
    return anchor.measured;
  }

  private content(node: Exclude<ParsedNode, Alias.Parsed>, path: readonly PropertyKey[]): Measured {
    if (isMap(node)) return this.map(node as YAMLMap<ParsedNode, ParsedNode | null>, path);
    if (isScalar(node)) {
      // Bytes, dates and what else a tag can make of a text.
      if (node.value !== null && typeof node.value === 'object')
        this.problem(node, path, `the tag ${node.tag ?? ''} is not supported`);
      return {...NOTHING, value: node.value};
    }
    const members = node.items.map((item, index) => this.node(item as ParsedNode, [...path, index]));
    return this.measured(
      node,
      path,
      members.map(member => member.value),
      members,
    );
  }

  private map(map: YAMLMap<ParsedNode, ParsedNode | null>, path: readonly PropertyKey[]): Measured {
    const value: Record<string, unknown> = {};
    const members: Measured[] = [];
    const merges: {readonly source: ParsedNode | null; readonly measured: Measured}[] = [];
    const seen = new Map<string, number>();
    for (const {key, value: inner} of map.items) {
      if (isMergeKey(key)) {
        merges.push({source: inner, measured: this.node(inner, path)});
        continue;
      }
      const name = this.key(key, path);
      if (name === undefined) continue;
      const first = seen.get(name);
      if (first !== undefined) {
        const {line} = this.lines.linePos(first);
        this.problem(key, [...path, name], `the key ${quoted(name)} is already there, on line ${line}`);
        continue;
      }
      seen.set(name, key.range[0]);
      const member = this.node(inner, [...path, name]);
      members.push(member);
      value[name] = member.value;
    }
    for (const {source, measured} of merges) {
      members.push(measured);
      this.merge(value, source, measured, path);
    }
    return this.measured(map, path, value, members);
  }

  /** Of the merged mappings the first that has a key gives it; the mapping's own keys come before all. */
  private merge(
    into: Record<string, unknown>,
    source: ParsedNode | null,
    measured: Measured,
    path: readonly PropertyKey[],
  ): void {
    for (const mapping of Array.isArray(measured.value) ? measured.value : [measured.value]) {
      if (this.exhausted) return;
      if (mapping === null || typeof mapping !== 'object' || Array.isArray(mapping)) {
        this.problem(source, path, '"<<" takes a mapping or a list of mappings');
        return;
      }
      const entries = Object.entries(mapping);
      this.spend(source, path, entries.length);
      for (const [key, value] of entries) if (!Object.hasOwn(into, key)) into[key] = value;
    }
  }

  private key(key: ParsedNode, path: readonly PropertyKey[]): string | undefined {
    this.values++;
    if (isScalar(key) && typeof key.value === 'string') {
      // Too easily lost between one reader and the next.
      if (key.value !== '__proto__') return key.value;
      this.problem(key, path, 'the key "__proto__" is not allowed');
    } else if (isScalar(key)) {
      const text = key.source ?? String(key.value);
      const advice = text === '' ? 'this one is empty' : `write ${quoted(text)} with its quotes`;
      this.problem(key, path, `a key must be text: ${advice}`);
    } else {
      const kind = isMap(key) ? 'a mapping' : isSeq(key) ? 'a list' : 'an alias';
      this.problem(key, path, `a key must be text, not ${kind}`);
    }
    return undefined;
  }

  private alias(alias: Alias.Parsed, path: readonly PropertyKey[]): Measured {
    const anchor = this.anchors.get(alias.source);
    if (!anchor) {
      this.problem(alias, path, `no anchor &${alias.source.slice(0, 64)} comes before this alias`);
      return NOTHING;
    }
    if (!anchor.measured) {
      this.problem(alias, path, 'an alias refers to a value that contains it');
      return NOTHING;
    }
    this.aliases.set(alias, anchor.node);
    this.spend(alias, path, anchor.measured.size);
    return anchor.measured;
  }

  private measured(
    node: ParsedNode | YAMLMap<ParsedNode, ParsedNode | null>,
    path: readonly PropertyKey[],
    value: unknown,
    members: readonly Measured[],
  ): Measured {
    let [size, depth] = [1, 1];
    for (const member of members) {
      size += member.size;
      depth = Math.max(depth, member.depth + 1);
    }
    if (depth > MAX_NESTING && !this.exhausted) {
      this.problem(node, path, `aliases nest it more than ${MAX_NESTING} levels deep`);
      this.values = Number.POSITIVE_INFINITY;
    }
    return {value, size, depth};
  }

  private get exhausted(): boolean {
    return this.values > MAX_VALUES;
  }

  private spend(node: ParsedNode | null, path: readonly PropertyKey[], values: number): void {
    if (this.exhausted) return;
    this.values += values;
    if (this.exhausted) this.problem(node, path, `the aliases expand to more than ${MAX_VALUES} values`);
  }

  private problem(
    node: {readonly range?: readonly number[] | null} | null,
    path: readonly PropertyKey[],
    message: string,
  ): void {
    if (this.problems.length >= MAX_DIAGNOSTICS) return;
    const [from = 0, to = from] = node?.range ?? [];
    this.problems.push({
      severity: 'error',
      field: formatPath(path),
      message,
      position: rangeOf(this.lines, from, to),
    });
  }
}

export function isMergeKey(key: unknown): boolean {
  return isScalar(key) && typeof key.value === 'symbol';
}
