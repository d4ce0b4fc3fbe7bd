/** What is marked in a scene beside the states of tasks: the critical path, what was searched for, what is selected. Pure. */
import {criticalChain, type LiveTasks} from './liveTasks.ts';
import {edgePath, type Scene} from './scene.ts';

/** Whether it is another chain than was marked. */
export function markCritical(scene: Scene, live: LiveTasks, wallNow: number): boolean {
  const {graph} = scene;
  if (graph.nodes.length < 2) return false;
  const path = criticalChain(graph, live, wallNow);
  if (path.length === scene.critical.size && path.every(index => scene.critical.has(index))) return false;
  scene.critical = new Set(path);
  const next = new Map(path.map((index, at) => [index, path[at + 1]]));
  scene.criticalEdges = edgePath(scene, (from, to) => next.get(from) === to);
  return true;
}

/** By id and title; nothing is marked for an empty text. */
export function markSearch(scene: Scene, text: string): void {
  const wanted = text.trim().toLocaleLowerCase();
  const isWanted = (name: string): boolean => name.toLocaleLowerCase().includes(wanted);
  scene.matches =
    wanted === ''
      ? undefined
      : new Set(
          scene.graph.nodes.flatMap(({id, title}, index) => (isWanted(id) || isWanted(title) ? [index] : [])),
        );
}

/** A task with the edges from and to it. */
export function markSelected(scene: Scene, index: number | undefined): void {
  scene.selected = index;
  scene.selectedEdges = edgePath(
    scene,
    (from, to) => index !== undefined && (from === index || to === index),
  );
}

/** The match after the selected one, or before it; the first or last where none is selected. */
export function nextMatch({matches, selected}: Scene, backwards: boolean): number | undefined {
  const all = [...(matches ?? [])];
  const at = selected === undefined ? -1 : all.indexOf(selected);
  const step = backwards ? -1 : 1;
  return all.at(at < 0 ? (backwards ? -1 : 0) : (at + step) % all.length);
}
