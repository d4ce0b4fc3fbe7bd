/** What a schema cannot say of a plan: references, cycles, and keys that exclude each other. */
import {closest, didYouMean} from './closest.ts';
import {formatPath, MAX_DIAGNOSTICS, type PlanDiagnostic, quoted} from './diagnostics.ts';
import {type GraphNode, graphProblems} from './graph.ts';
import type {Locator} from './locate.ts';
import {gateName, type Plan, RESULT_GATE_OWNER} from './plan.ts';
import {type PlanFile, type PlanGate, type PlanTask, RESERVED_TASK_KEYS} from './schema.ts';

type Report = (
  path: readonly PropertyKey[],
  message: string,
  options?: {severity?: PlanDiagnostic['severity']; at?: 'key' | 'value'; suggestion?: string | undefined},
) => void;

/** `beside`: the plan to which the tasks are added. What of it they replace is for whoever adds them to say. */
export function crossChecks(plan: PlanFile, locator: Locator, beside?: Plan): PlanDiagnostic[] {
  const found: PlanDiagnostic[] = [];
  const report: Report = (path, message, {severity = 'error', at = 'value', suggestion} = {}) => {
    if (found.length >= MAX_DIAGNOSTICS) return;
    const position = at === 'key' ? locator.key(path) : locator.value(path);
    found.push({
      severity,
      field: formatPath(path),
      message,
      position,
      ...(suggestion === undefined ? {} : {suggestion}),
    });
  };
  const own = new Set(plan.tasks.map(task => task.id));
  const others = beside?.tasks.filter(task => !own.has(task.id)) ?? [];
  const ids = new Set([...own, ...others.map(task => task.id)]);
  plan.tasks.forEach((task, index) => {
    checkWork(task, ['tasks', index], report);
    checkAffinity(task.affinity, ['tasks', index], ids, report);
    checkEnv(task.env, ['tasks', index, 'env'], locator, report);
  });
  checkAffinity(plan.defaults?.affinity, ['defaults'], ids, report);
  checkEnv(plan.env, ['env'], locator, report);
  checkEnv(plan.defaults?.env, ['defaults', 'env'], locator, report);
  checkGateNames(plan.gates, [], RESULT_GATE_OWNER, report);
  checkTaskGates(plan, report);
  checkGraph(plan, others, locator, report);
  return found;
}

function checkWork(task: PlanTask, path: readonly PropertyKey[], report: Report): void {
  if (task.prompt === undefined && task.run === undefined)
    report(path, `task "${task.id}" needs either "prompt" or "run"`);
  if (task.prompt !== undefined && task.run !== undefined)
    report([...path, 'run'], `task "${task.id}" has both "prompt" and "run": keep one`, {at: 'key'});
  for (const key of RESERVED_TASK_KEYS) {
    if (task[key] !== undefined)
      report([...path, key], `"${key}" is reserved: this version does not support it yet`, {at: 'key'});
  }
  if (task.run === undefined) return;
  for (const key of ['permissions', 'model', 'maxTurns', 'resultSchema'] as const) {
    if (task[key] !== undefined)
      report([...path, key], `"${key}" has no meaning for a "run" task`, {severity: 'warning', at: 'key'});
  }
}

function checkAffinity(
  rules: PlanTask['affinity'],
  path: readonly PropertyKey[],
  ids: ReadonlySet<string>,
  report: Report,
): void {
  rules?.forEach((rule, index) => {
    if (rule.kind === 'region' || rule.kind === 'agent') return;
    rule.with.forEach((id, position) => {
      if (ids.has(id)) return;
      const suggestion = ids.size <= 1000 ? closest(id, ids) : undefined;
      report(
        [...path, 'affinity', index, 'with', position],
        `no task is called "${id}"${didYouMean(suggestion)}`,
        {suggestion},
      );
    });
  });
}

/** The gates of `defaults` count once, for the first task that takes them. */
function checkTaskGates({tasks, defaults}: PlanFile, report: Report): void {
  tasks.forEach((task, index) => {
    checkGateNames(task.gates, ['tasks', index], task.id, report);
  });
  const heir = tasks.find(task => task.gates === undefined);
  checkGateNames(defaults?.gates, ['defaults'], heir?.id ?? 'default', report);
}

/** The agent runs a gate of one name once, and its evidence stands for every gate of that name. */
function checkGateNames(
  gates: readonly PlanGate[] | undefined,
  path: readonly PropertyKey[],
  owner: string,
  report: Report,
): void {
  const first = new Map<string, number>();
  gates?.forEach((gate, index) => {
    const name = gateName(gate, index, owner);
    const other = first.get(name);
    if (other === undefined) first.set(name, index);
    else
      report(
        [...path, 'gates', index, 'name'],
        `gates ${other + 1} and ${index + 1} are both called ${quoted(name)}: give each a name of its own`,
      );
  });
}

/** `1.10` is the number 1.1: a version number loses its last digit. */
function checkEnv(
  env: Readonly<Record<string, string>> | undefined,
  path: readonly PropertyKey[],
  locator: Locator,
  report: Report,
): void {
  for (const [name, value] of Object.entries(env ?? {})) {
    const source = locator.source([...path, name]);
    if (source !== undefined && source !== value && String(Number(value)) === value)
      report([...path, name], `${source} is read as the number ${value}: quote it to keep it as written`, {
        severity: 'warning',
      });
  }
}

function checkGraph(plan: PlanFile, others: readonly GraphNode[], locator: Locator, report: Report): void {
  const own = plan.tasks.map(task => ({id: task.id, dependsOn: task.dependsOn ?? []}));
  const nodes = [...own, ...others];
  for (const problem of graphProblems(nodes)) {
    const id = nodes[problem.node]?.id ?? '';
    if (problem.kind === 'duplicate') {
      const {line} = locator.value(['tasks', problem.first, 'id']);
      report(
        ['tasks', problem.node, 'id'],
        `the id "${id}" is taken by task ${problem.first + 1}, line ${line}`,
      );
      continue;
    }
    const path = ['tasks', problem.node, 'dependsOn', problem.dependency];
    if (problem.kind === 'cycle') report(path, `the dependencies form a cycle: ${showCycle(problem.path)}`);
    else {
      const {id: unknown, suggestion} = problem;
      report(path, `no task is called "${unknown}"${didYouMean(suggestion)}`, {suggestion});
    }
  }
}

function showCycle(ids: readonly string[]): string {
  const shown = ids.length > 12 ? [...ids.slice(0, 8), `… ${ids.length - 10} more …`, ...ids.slice(-2)] : ids;
  return shown.join(' -> ');
}
