/** A plan's task graph as text, Graphviz and Mermaid. Pure. */
import {topologicalOrder} from '../protocol/plan/graph.ts';
import type {Plan, TaskSpecification} from '../protocol/plan/plan.ts';
import {cut, printable} from './report/terminalText.ts';

const LONGEST_LABEL = 60;

/** Layers: all that a layer waits for is in those above it. */
export function textGraph(plan: Plan): string {
  const layers = layersOf(plan.tasks);
  const lines = [`${printable(plan.name)}: ${plan.tasks.length} tasks in ${layers.length} steps`];
  layers.forEach((layer, step) => {
    lines.push(`${step + 1}`);
    for (const task of layer) {
      const after = task.dependsOn.length > 0 ? `  <- ${task.dependsOn.join(', ')}` : '';
      lines.push(`   ${task.work.kind === 'prompt' ? '*' : '$'} ${task.id}${after}${gatesOf(task)}`);
    }
  });
  if (plan.gates.length > 0)
    lines.push(`result  gates: ${plan.gates.map(gate => printable(gate.name)).join(', ')}`);
  lines.push('', '* Claude Code   $ command');
  return `${lines.join('\n')}\n`;
}

export function dotGraph(plan: Plan): string {
  const quote = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const lines = [
    `digraph ${quote(printable(plan.name))} {`,
    '  rankdir=LR;',
    '  node [fontname="sans-serif"];',
  ];
  for (const task of plan.tasks) {
    const shape = task.work.kind === 'prompt' ? 'box' : 'ellipse';
    lines.push(`  ${quote(task.id)} [shape=${shape}, label=${quote(labelOf(task))}];`);
  }
  for (const task of plan.tasks)
    for (const dependency of task.dependsOn) lines.push(`  ${quote(dependency)} -> ${quote(task.id)};`);
  return `${[...lines, '}'].join('\n')}\n`;
}

/** Nodes are numbered: a task id such as `end` is a keyword of Mermaid's. */
export function mermaidGraph(plan: Plan): string {
  const node = new Map(plan.tasks.map((task, index) => [task.id, `t${index + 1}`]));
  const label = (task: TaskSpecification): string =>
    labelOf(task)
      .replaceAll('#', '#35;')
      .replaceAll('"', '#quot;')
      .replaceAll('<', '#lt;')
      .replaceAll('>', '#gt;');
  const lines = ['flowchart LR'];
  for (const task of plan.tasks) {
    const [open, close] = task.work.kind === 'prompt' ? ['["', '"]'] : ['(["', '"])'];
    lines.push(`  ${node.get(task.id)}${open}${label(task)}${close}`);
  }
  for (const task of plan.tasks)
    for (const dependency of task.dependsOn) lines.push(`  ${node.get(dependency)} --> ${node.get(task.id)}`);
  return `${lines.join('\n')}\n`;
}

function layersOf(tasks: readonly TaskSpecification[]): TaskSpecification[][] {
  const depth = new Map<string, number>();
  const layers: TaskSpecification[][] = [];
  for (const index of topologicalOrder(tasks)) {
    const task = tasks[index];
    if (!task) continue;
    const layer = task.dependsOn.reduce((least, id) => Math.max(least, (depth.get(id) ?? 0) + 1), 0);
    depth.set(task.id, layer);
    layers[layer] ??= [];
    layers[layer].push(task);
  }
  return layers;
}

function labelOf(task: TaskSpecification): string {
  return cut(printable(task.title ? `${task.id}: ${task.title}` : task.id), LONGEST_LABEL);
}

function gatesOf(task: TaskSpecification): string {
  return task.gates.length > 0 ? `  gates: ${task.gates.map(gate => printable(gate.name)).join(', ')}` : '';
}
