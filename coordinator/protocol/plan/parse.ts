/** Plan text to plan: YAML or JSON in, either a checked plan or every problem with its line and column. Never throws for bad input. */
import {isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument, visit} from 'yaml';
import type * as z from 'zod';
import {formatPath, type PlanDiagnostic, type PlanPosition} from './diagnostics.ts';
import {graphProblems} from './graph.ts';
import {type Plan, resolvePlan} from './plan.ts';
import {PlanFile, RESERVED_TASK_KEYS} from './schema.ts';

export type PlanParse =
  | {
      readonly kind: 'plan';
      readonly plan: Plan;
      readonly file: PlanFile;
      readonly warnings: readonly PlanDiagnostic[];
      positionOf(path: readonly PropertyKey[]): PlanPosition;
    }
  | {readonly kind: 'invalid'; readonly diagnostics: readonly PlanDiagnostic[]};

const MAX_PLAN_BYTES = 16 * 1024 * 1024;
/** A page of YAML can expand to gigabytes through aliases; honest plans use few. */
const MAX_ALIASES = 1000;

export function parsePlan(text: string): PlanParse {
  const lines = new LineCounter();
  const start: PlanPosition = {line: 1, column: 1, end: {line: 1, column: 1}};
  const invalid = (message: string, position = start): PlanParse => ({
    kind: 'invalid',
    diagnostics: [{severity: 'error', field: '', message, position}],
  });
  if (text.length > MAX_PLAN_BYTES)
    return invalid(`the plan has ${text.length} characters; at most ${MAX_PLAN_BYTES} are read`);
  if (text.includes('\0'))
    return invalid(
      'the plan contains a NUL character: it is not a text file',
      positionAt(lines, text, text.indexOf('\0')),
    );

  const document = parseDocument(text.replace(/^\uFEFF/, ''), {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    strict: true,
  });
  if (document.errors.length > 0) {
    return {
      kind: 'invalid',
      diagnostics: document.errors.slice(0, 100).map(error => ({
        severity: 'error',
        field: '',
        message: firstLine(error.message),
        position: rangeOf(lines, error.pos[0], error.pos[1]),
      })),
    };
  }
  if (document.contents === null) return invalid('the plan is empty: it needs at least "name" and "tasks"');

  const positionOf = (path: readonly PropertyKey[]): PlanPosition =>
    nodePosition(document.contents, path, lines) ?? start;
  let value: unknown;
  try {
    value = document.toJS({maxAliasCount: MAX_ALIASES});
  } catch (error) {
    return invalid(firstLine(error instanceof Error ? error.message : String(error)));
  }
  const cycle = aliasCycle(document.contents);
  if (cycle)
    return invalid('an alias refers to a value that contains it', rangeOf(lines, cycle[0], cycle[1]));

  const parsed = PlanFile.safeParse(value);
  if (!parsed.success) {
    const diagnostics = parsed.error.issues
      .slice(0, 100)
      .flatMap(issue => issueDiagnostics(issue, value, positionOf));
    return {kind: 'invalid', diagnostics: sorted(diagnostics)};
  }
  const diagnostics = sorted(crossChecks(parsed.data, positionOf));
  if (diagnostics.some(diagnostic => diagnostic.severity === 'error')) return {kind: 'invalid', diagnostics};
  return {kind: 'plan', plan: resolvePlan(parsed.data), file: parsed.data, warnings: diagnostics, positionOf};
}

/** What a schema cannot say: references, cycles, and keys that exclude each other. */
function crossChecks(
  plan: PlanFile,
  positionOf: (path: readonly PropertyKey[]) => PlanPosition,
): PlanDiagnostic[] {
  const found: PlanDiagnostic[] = [];
  const report = (
    path: readonly PropertyKey[],
    message: string,
    severity: PlanDiagnostic['severity'] = 'error',
  ): void => {
    found.push({severity, field: formatPath(path), message, position: positionOf(path)});
  };
  plan.tasks.forEach((task, index) => {
    const path = ['tasks', index];
    if (task.prompt === undefined && task.run === undefined)
      report(path, `task "${task.id}" needs either "prompt" or "run"`);
    if (task.prompt !== undefined && task.run !== undefined)
      report([...path, 'run'], `task "${task.id}" has both "prompt" and "run": keep one`);
    for (const key of RESERVED_TASK_KEYS) {
      if (task[key] !== undefined)
        report([...path, key], `"${key}" is reserved: this version does not support it yet`);
    }
    if (task.run !== undefined) {
      for (const key of ['permissions', 'model', 'maxTurns', 'resultSchema'] as const) {
        if (task[key] !== undefined)
          report([...path, key], `"${key}" has no meaning for a "run" task`, 'warning');
      }
    }
    task.affinity?.forEach((rule, ruleIndex) => {
      if (rule.kind === 'region' || rule.kind === 'agent') return;
      rule.with.forEach((id, idIndex) => {
        if (!plan.tasks.some(other => other.id === id))
          report([...path, 'affinity', ruleIndex, 'with', idIndex], `no task is called "${id}"`);
      });
    });
  });
  const nodes = plan.tasks.map(task => ({id: task.id, dependsOn: task.dependsOn ?? []}));
  for (const problem of graphProblems(nodes)) {
    const id = nodes[problem.node]?.id ?? '';
    if (problem.kind === 'duplicate') {
      report(
        ['tasks', problem.node, 'id'],
        `the id "${id}" is taken by task ${problem.first + 1}, line ${positionOf(['tasks', problem.first, 'id']).line}`,
      );
    } else {
      const path = ['tasks', problem.node, 'dependsOn', problem.dependency];
      if (problem.kind === 'cycle')
        report(path, `the dependencies form a cycle: ${problem.path.join(' -> ')}`);
      else
        report(
          path,
          `no task is called "${problem.id}"${problem.suggestion ? `; did you mean "${problem.suggestion}"?` : ''}`,
        );
    }
  }
  return found;
}

function issueDiagnostics(
  issue: z.core.$ZodIssue,
  value: unknown,
  positionOf: (path: readonly PropertyKey[]) => PlanPosition,
): PlanDiagnostic[] {
  const at = (path: readonly PropertyKey[], message: string): PlanDiagnostic => ({
    severity: 'error',
    field: formatPath(path),
    message,
    position: positionOf(path),
  });
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => at([...issue.path, key], `unknown key "${key}"`));
  }
  if (issue.code === 'invalid_union') {
    // Of the alternatives, the one that got furthest into the value is what was meant.
    const deepest = issue.errors.flat().sort((a, b) => b.path.length - a.path.length)[0];
    if (deepest && deepest.path.length > 0)
      return issueDiagnostics({...deepest, path: [...issue.path, ...deepest.path]}, value, positionOf);
    const unknown = issue.errors.flat().find(inner => inner.code === 'unrecognized_keys');
    if (unknown)
      return issueDiagnostics({...unknown, path: [...issue.path, ...unknown.path]}, value, positionOf);
    return [at(issue.path, [...new Set(issue.errors.flat().map(inner => inner.message))].join(', or '))];
  }
  const missing = issue.code === 'invalid_type' && valueAt(value, issue.path) === undefined;
  return [at(issue.path, missing ? `missing: ${issue.message}` : issue.message)];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const part of path) {
    if (current === null || typeof current !== 'object') return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

/** The position of the node at `path`, or of its nearest ancestor that exists. */
function nodePosition(
  root: unknown,
  path: readonly PropertyKey[],
  lines: LineCounter,
): PlanPosition | undefined {
  let node: unknown = root;
  let best = nodeRange(root);
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        item => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (!pair) break;
      best = nodeRange(pair.value) ?? nodeRange(pair.key) ?? best;
      if (nodeRange(pair.key) && !(isScalar(pair.value) || isSeq(pair.value)))
        best = nodeRange(pair.key) ?? best;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      best = nodeRange(node) ?? best;
    } else break;
  }
  return best ? rangeOf(lines, best[0], best[1]) : undefined;
}

function nodeRange(node: unknown): [number, number] | undefined {
  const range = (node as Node | null | undefined)?.range;
  return range ? [range[0], range[1]] : undefined;
}

function rangeOf(lines: LineCounter, from: number, to: number): PlanPosition {
  const [start, end] = [lines.linePos(from), lines.linePos(Math.max(from, to))];
  return {
    line: Math.max(1, start.line),
    column: Math.max(1, start.col),
    end: {line: Math.max(1, end.line), column: Math.max(1, end.col)},
  };
}

function positionAt(lines: LineCounter, text: string, offset: number): PlanPosition {
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1))
    lines.addNewLine(at + 1);
  return rangeOf(lines, offset, offset + 1);
}

function aliasCycle(contents: unknown): [number, number] | undefined {
  const anchors = new Map<string, [number, number]>();
  let found: [number, number] | undefined;
  visit(contents as Node, {
    Node(_key, node) {
      if ('anchor' in node && typeof node.anchor === 'string' && node.range)
        anchors.set(node.anchor, [node.range[0], node.range[1]]);
    },
    Alias(_key, alias) {
      const target = anchors.get(alias.source);
      if (target && alias.range && alias.range[0] >= target[0] && alias.range[0] < target[1]) {
        found = [alias.range[0], alias.range[1]];
        return visit.BREAK;
      }
      return undefined;
    },
  });
  return found;
}

function sorted(diagnostics: PlanDiagnostic[]): PlanDiagnostic[] {
  return diagnostics.sort(
    (a, b) => a.position.line - b.position.line || a.position.column - b.position.column,
  );
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}
