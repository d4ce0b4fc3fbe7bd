/** Lays a graph out: plainly at once where it is large, and well in a worker. A worker made of a blob is what an editor's page may have. */
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {columns} from './columns.ts';
import type {Graph} from './graphModel.ts';
import type {Layout} from './layout.ts';
import type {LayoutDone, LayoutJob} from './layoutWorker.ts';

/** Smaller graphs are laid out well at once; larger ones are drawn plainly first. */
const PLAIN_FIRST = 150;

export class LayoutService implements Disposable {
  private worker: Promise<Worker> | undefined;
  private wanted = 0;
  private disposed = false;

  constructor(
    private readonly url: string,
    private readonly onLayout: (layout: Layout) => void,
  ) {}

  /** What was asked before and has not come is not wanted any more. */
  layOut(graph: Graph): void {
    const id = ++this.wanted;
    const nodes = graph.nodes.length;
    if (nodes === 0 || nodes > PLAIN_FIRST) this.onLayout(columns(graph));
    if (nodes === 0) return;
    this.start().then(
      worker => {
        if (id !== this.wanted || this.disposed) return;
        const job: LayoutJob = {id, nodes, edges: edgesOf(graph)};
        worker.postMessage(job);
      },
      () => {
        if (id === this.wanted && !this.disposed && nodes <= PLAIN_FIRST) this.onLayout(columns(graph));
      },
    );
  }

  dispose(): void {
    this.disposed = true;
    this.worker?.then(
      worker => worker.terminate(),
      () => undefined,
    );
  }

  private start(): Promise<Worker> {
    this.worker ??= this.make();
    return this.worker;
  }

  private async make(): Promise<Worker> {
    const response = await fetch(this.url);
    if (!response.ok) throw new Error(`the layout's script could not be read: ${response.status}`);
    const url = URL.createObjectURL(new Blob([await response.text()], {type: 'text/javascript'}));
    const worker = new Worker(url);
    URL.revokeObjectURL(url);
    worker.addEventListener('message', ({data}: MessageEvent<LayoutDone>) => {
      const {id, layout} = data;
      if (id === this.wanted && !this.disposed) this.onLayout(layout);
    });
    return worker;
  }
}

/** In the order of the lines of a layout. */
export function edgesOf({inputs}: Pick<Graph, 'inputs'>): number[] {
  return inputs.flatMap((from, index) => from.flatMap(input => [input, index]));
}
