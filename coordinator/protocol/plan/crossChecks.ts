/** What a schema cannot say of a plan: references, cycles, and keys that exclude each other. */
import {closest, didYouMean} from './closest.ts';
import {formatPath, MAX_DIAGNOSTICS, type PlanDiagnostic, quoted} from './diagnostics.ts';
import {gateName, type PlanGate} from './gateSchema.ts';
import {type GraphNode, graphProblems} from './graph.ts';
import type {Locator} from './locate.ts';
import {type Plan, RESULT_GATE_OWNER} from './plan.ts';
import {neverReused} from './reuse.ts';
import {arrivals, barriers, resolveSyncPoint} from './rollbackSchema.ts';
import type {PlanFile, PlanTask} from './schema.ts';

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
    checkSpeculation(task, plan, ['tasks', index], report);
    checkCache(task, plan, ['tasks', index], report);
    checkAffinity(task.affinity, ['tasks', index], ids, report);
    checkEnv(task.env, ['tasks', index, 'env'], locator, report);
  });
  checkAffinity(plan.defaults?.affinity, ['defaults'], ids, report);
  checkEnv(plan.env, ['env'], locator, report);
  checkEnv(plan.defaults?.env, ['defaults', 'env'], locator, report);
  checkGateNames(plan.gates, [], RESULT_GATE_OWNER, report);
  checkTaskGates(plan, report);
  checkResultGates(plan, report);
  checkGraph(plan, others, locator, report);
  checkPoints(plan, others, found.length === 0, report);
  return found;
}

/** `beside` are tasks of the plan to which these are added. */
function checkPoints(
  {tasks, defaults, rollback}: PlanFile,
  beside: Plan['tasks'],
  isSound: boolean,
  report: Report,
): void {
  const own = tasks.map(({id, dependsOn = [], syncPoint}) => ({
    id,
    dependsOn,
    syncPoint: syncPoint === undefined ? undefined : resolveSyncPoint(syncPoint),
  }));
  const all = [...beside, ...own];
  const points = arrivals(all);
  tasks.forEach((task, index) => {
    checkRollback(task.rollback, ['tasks', index, 'rollback'], points, report);
  });
  checkRollback(defaults?.rollback, ['defaults', 'rollback'], points, report);
  checkRollback(rollback, ['rollback'], points, report);
  // Cycles of the dependencies themselves are reported already.
  if (!isSound || points.size === 0) return;
  const waits = barriers(all);
  const nodes = own.map(node => ({...node, dependsOn: [...node.dependsOn, ...(waits.get(node.id) ?? [])]}));
  for (const problem of graphProblems(nodes)) {
    if (problem.kind !== 'cycle') continue;
    report(
      ['tasks', problem.node, 'dependsOn'],
      `a synchronisation point closes a cycle: ${showCycle(problem.path)}. Nobody behind it goes on before all have arrived`,
    );
  }
}

function checkRollback(
  rollback: PlanFile['rollback'],
  path: readonly PropertyKey[],
  points: ReadonlyMap<string, readonly string[]>,
  report: Report,
): void {
  if (rollback === undefined || typeof rollback === 'string') return;
  const {scope, syncPoint} = rollback;
  if (scope === 'syncPoint' && syncPoint === undefined)
    report([...path, 'scope'], 'name the point: "syncPoint" is missing');
  if (syncPoint === undefined) return;
  if (scope !== 'syncPoint')
    report([...path, 'syncPoint'], `"syncPoint" has no meaning for the scope ${quoted(scope)}`, {at: 'key'});
  else if (!points.has(syncPoint)) {
    const suggestion = closest(syncPoint, points.keys());
    report(
      [...path, 'syncPoint'],
      `no task arrives at a synchronisation point called ${quoted(syncPoint)}${didYouMean(suggestion)}`,
      {suggestion},
    );
  }
}

function checkWork(task: PlanTask, path: readonly PropertyKey[], report: Report): void {
  if (task.prompt === undefined && task.run === undefined)
    report(path, `task "${task.id}" needs either "prompt" or "run"`);
  if (task.prompt !== undefined && task.run !== undefined)
    report([...path, 'run'], `task "${task.id}" has both "prompt" and "run": keep one`, {at: 'key'});
  if (task.run === undefined) return;
  for (const key of ['permissions', 'model', 'maxTurns', 'resultSchema', 'checkpoint', 'hubTools'] as const) {
    if (task[key] !== undefined)
      report([...path, key], `"${key}" has no meaning for a "run" task`, {severity: 'warning', at: 'key'});
  }
}

/** What a task asks for itself must make sense; `defaults` are passed over where they do not. */
function checkSpeculation(
  task: PlanTask,
  {defaults = {}, budgetUsd}: PlanFile,
  path: readonly PropertyKey[],
  report: Report,
): void {
  if (task.speculate !== true) return;
  const onLost = task.onLost ?? defaults.onLost ?? 'rerun';
  const permissions = task.permissions ?? defaults.permissions;
  if (onLost !== 'rerun')
    report(
      [...path, 'speculate'],
      `"speculate" begins a second attempt, and "onLost: ${onLost}" says that the task must not run twice: keep one`,
      {at: 'key'},
    );
  else if (task.prompt !== undefined && permissions?.mode === 'ask')
    report(
      [...path, 'speculate'],
      '"speculate" begins a second attempt, and "permissions: ask" would ask a person twice: keep one',
      {at: 'key'},
    );
  else if (task.split?.files)
    report([...path, 'speculate'], '"speculate" has no meaning for a task that is split over files', {
      severity: 'warning',
      at: 'key',
    });
  else if (task.prompt !== undefined && (task.budgetUsd ?? defaults.budgetUsd ?? budgetUsd) === undefined)
    report(
      [...path, 'speculate'],
      '"speculate" does nothing for a prompt unless a budget limits what it spends: give the plan or the task a "budgetUsd"',
      {severity: 'warning', at: 'key'},
    );
}

/** As for `speculate`: what `defaults` say is passed over where it does not fit. */
function checkCache(
  task: PlanTask,
  {defaults = {}}: PlanFile,
  path: readonly PropertyKey[],
  report: Report,
): void {
  if (task.cache !== true) return;
  const rollback = task.rollback ?? defaults.rollback;
  const why = neverReused({
    onLost: task.onLost ?? defaults.onLost ?? 'rerun',
    rollback: typeof rollback === 'object' ? rollback : undefined,
    hubTools: task.prompt !== undefined && (task.hubTools ?? defaults.hubTools),
    gates: (task.gates ?? defaults.gates ?? []).filter(gate => typeof gate !== 'string'),
  });
  if (why !== undefined)
    report([...path, 'cache'], `"cache" would take the result of another time, and ${why}: keep one`, {
      at: 'key',
    });
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
  tasks.forEach((task, index) => {
    const hasResult = task.run === undefined && task.resultSchema !== undefined;
    if (!hasResult) checkSubjects(task.gates, ['tasks', index], `task "${task.id}" leaves none`, report);
  });
}

/** What a gate is about must be there. */
function checkSubjects(
  gates: readonly PlanGate[] | undefined,
  path: readonly PropertyKey[],
  why: string,
  report: Report,
): void {
  gates?.forEach((gate, index) => {
    if (typeof gate === 'string' || gate.type !== 'schema' || gate.file !== undefined) return;
    report(
      [...path, 'gates', index, 'type'],
      `a schema without "file" is about the structured result, and ${why}: name a file${path[0] === 'tasks' ? ', or give the task a resultSchema' : ''}`,
    );
  });
}

/** The merge of the results is nobody's work, and leaves files and nothing else. */
function checkResultGates({gates}: PlanFile, report: Report): void {
  gates?.forEach((gate, index) => {
    if (typeof gate !== 'string' && gate.type === 'review')
      report(['gates', index, 'type'], 'a review is about the work of one task: make it a gate of that task');
  });
  checkSubjects(gates, [], 'the merge of the results leaves none', report);
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
