/** The tree of sessions over a session of ten thousand tasks: what a batch of changes costs, from rows to nodes to be drawn anew. */
import {ActiveWork} from '../../extension/views/model/activeWork.ts';
import {Drawing} from '../../extension/views/model/drawing.ts';
import {SessionsModel} from '../../extension/views/model/sessionsModel.ts';
import type {Dirt, TreeNode} from '../../extension/views/model/treeModel.ts';
import type {Words} from '../../extension/views/model/words.ts';
import {changeAt, FleetInMemory, sessionRow, taskRows} from './fleetRows.ts';

/** Of a quarter of a second at 500 changes a second: trees are drawn four times a second. */
export const BATCH = 125;
const SESSION = 's-bench';
const CREATED = Date.UTC(2026, 0, 2);

export const WORDS: Words = {
  t: (text, ...values) => text.replace(/\{(\d+)\}/g, (_, index: string) => String(values[Number(index)])),
  now: () => CREATED,
  locale: 'en',
};

/** Everything that is behind the tree of sessions, opened down to its tasks: a page of each state. */
export class OpenTree {
  readonly fleet = new FleetInMemory();
  readonly work = new ActiveWork(this.fleet);
  readonly model = new SessionsModel({
    fleet: this.fleet,
    work: this.work,
    follow: () => ({whole: Promise.resolve(), dispose: () => undefined}),
    words: WORDS,
  });
  private readonly drawing = new Drawing(this.model, WORDS);
  private readonly dirt = new Set<string>();
  private isAllDirty = false;

  constructor() {
    this.model.onDirty((dirt: Dirt) => {
      if (dirt === 'all') this.isAllDirty = true;
      else for (const id of dirt) this.dirt.add(id);
    });
  }

  /** As a window does that draws: what must be drawn anew is asked for again. Returns how many nodes that were. */
  async draw(): Promise<number> {
    const touched = this.drawing.touched(this.isAllDirty ? 'all' : this.dirt);
    this.isAllDirty = false;
    this.dirt.clear();
    if (touched === 'all') return await this.list(undefined);
    let drawn = 0;
    for (const id of touched) {
      this.drawing.node(id);
      drawn += 1 + (isOpen(this.model.node(id)) ? await this.list(id) : 0);
    }
    return drawn;
  }

  /** The page of a list, and the lists below it that are open. */
  async list(id: string | undefined): Promise<number> {
    await this.model.open(id);
    let drawn = 0;
    for (const child of this.drawing.children(id)) {
      const node = this.drawing.node(child);
      drawn += 1 + (isOpen(node) ? await this.list(child) : 0);
    }
    return drawn;
  }

  dispose(): void {
    this.model.dispose();
    this.work.dispose();
  }
}

function isOpen(node: TreeNode | undefined): boolean {
  return node !== undefined && node.expansion !== 'leaf' && node.target?.kind !== 'task';
}

export interface Refreshes {
  readonly firstMs: number;
  /** Of each batch. */
  readonly batchesMs: readonly number[];
  /** Nodes that were drawn anew in a batch, the most. */
  readonly mostNodes: number;
}

export async function measureTree(tasks: number, batches: number): Promise<Refreshes> {
  const tree = new OpenTree();
  const {fleet} = tree;
  fleet.putSession(sessionRow(SESSION, tasks, CREATED));
  for (let index = 0; index < tasks; index++) fleet.put(SESSION, taskRows(SESSION, index, 0));
  const began = performance.now();
  await tree.list(undefined);
  const firstMs = performance.now() - began;
  const batchesMs: number[] = [];
  let mostNodes = 0;
  let step = 0;
  for (let batch = 0; batch < batches; batch++) {
    const rows = Array.from({length: BATCH}, () => {
      const {index, turn} = changeAt(step++, tasks);
      return taskRows(SESSION, index, turn);
    }).flat();
    const start = performance.now();
    fleet.put(SESSION, rows);
    mostNodes = Math.max(mostNodes, await tree.draw());
    batchesMs.push(performance.now() - start);
  }
  tree.dispose();
  return {firstMs, batchesMs, mostNodes};
}
