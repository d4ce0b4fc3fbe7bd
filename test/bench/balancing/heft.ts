/** Heterogeneous Earliest Finish Time (Topcuoglu, Hariri and Wu 2002): the best known static plan of a graph whose costs are known. Pure. */

export interface StaticProblem {
  readonly tasks: number;
  readonly machines: number;
  /** By task, in the order of their communication. */
  readonly parents: readonly (readonly number[])[];
  /** Infinite where the machine cannot run it. */
  cost(task: number, machine: number): number;
  /** From a parent's machine to the task's. */
  transfer(parent: number, task: number, from: number, to: number): number;
  /** On average over machines, for ranking. */
  usualTransfer(parent: number, task: number): number;
}

export interface StaticPlan {
  readonly makespan: number;
  readonly machineOf: Int32Array;
  readonly startOf: Float64Array;
  /** By machine: its tasks in the order of their start. */
  readonly orders: readonly (readonly number[])[];
}

interface Busy {
  readonly task: number;
  readonly from: number;
  readonly until: number;
}

export function heft(problem: StaticProblem): StaticPlan {
  const ranks = upwardRanks(problem);
  const order = Array.from({length: problem.tasks}, (_, task) => task).sort(
    (a, b) => (ranks[b] as number) - (ranks[a] as number) || a - b,
  );
  const machineOf = new Int32Array(problem.tasks).fill(-1);
  const startOf = new Float64Array(problem.tasks);
  const endOf = new Float64Array(problem.tasks);
  const busy: Busy[][] = Array.from({length: problem.machines}, () => []);
  for (const task of order) {
    let best: {machine: number; from: number; until: number} | undefined;
    for (let machine = 0; machine < problem.machines; machine++) {
      const cost = problem.cost(task, machine);
      if (!Number.isFinite(cost)) continue;
      let ready = 0;
      for (const parent of problem.parents[task] ?? []) {
        const moved = problem.transfer(parent, task, machineOf[parent] as number, machine);
        ready = Math.max(ready, (endOf[parent] as number) + moved);
      }
      const from = firstGap(busy[machine] as Busy[], ready, cost);
      if (!best || from + cost < best.until) best = {machine, from, until: from + cost};
    }
    if (!best) throw new Error(`no machine can run task ${task}`);
    machineOf[task] = best.machine;
    startOf[task] = best.from;
    endOf[task] = best.until;
    insert(busy[best.machine] as Busy[], {task, from: best.from, until: best.until});
  }
  return {
    makespan: endOf.reduce((most, end) => Math.max(most, end), 0),
    machineOf,
    startOf,
    orders: busy.map(list => list.map(({task}) => task)),
  };
}

/** Mean cost and usual transfers along the longest path to the end. Positive costs: a parent always ranks above its children. */
function upwardRanks(problem: StaticProblem): Float64Array {
  const children: number[][] = problem.parents.map(() => []);
  problem.parents.forEach((parents, task) => {
    for (const parent of parents) children[parent]?.push(task);
  });
  const ranks = new Float64Array(problem.tasks).fill(-1);
  const waiting = Int32Array.from(children, list => list.length);
  const next = [...waiting.keys()].filter(task => waiting[task] === 0);
  for (let task = next.pop(); task !== undefined; task = next.pop()) {
    let longest = 0;
    for (const child of children[task] ?? [])
      longest = Math.max(longest, problem.usualTransfer(task, child) + (ranks[child] as number));
    ranks[task] = meanCost(problem, task) + longest;
    for (const parent of problem.parents[task] ?? []) {
      waiting[parent] = (waiting[parent] ?? 0) - 1;
      if (waiting[parent] === 0) next.push(parent);
    }
  }
  return ranks;
}

function meanCost(problem: StaticProblem, task: number): number {
  let sum = 0;
  let able = 0;
  for (let machine = 0; machine < problem.machines; machine++) {
    const cost = problem.cost(task, machine);
    if (!Number.isFinite(cost)) continue;
    sum += cost;
    able += 1;
  }
  return sum / able;
}

/** The insertion policy: the first idle time that is long enough. */
function firstGap(busy: readonly Busy[], ready: number, cost: number): number {
  let from = ready;
  for (const each of busy) {
    if (each.until <= from) continue;
    if (each.from - from >= cost) break;
    from = each.until;
  }
  return from;
}

function insert(busy: Busy[], added: Busy): void {
  let at = busy.length;
  while (at > 0 && (busy[at - 1] as Busy).from > added.from) at -= 1;
  busy.splice(at, 0, added);
}
