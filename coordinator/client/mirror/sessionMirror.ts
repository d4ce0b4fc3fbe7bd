/** One session's rows as they are now: tasks, attempts, refs and refused effects. The plan behind them is read by who needs it. */
import type {Row} from '../../protocol/commands/watch.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {Emitter, type Event} from '../../runtime/emitter.ts';
import type {McpxClient} from '../mcpxClient.ts';
import type {ViewWatch} from '../viewWatch.ts';
import {type DirtyRows, dirtyRows} from './dirtyRows.ts';

export class SessionMirror implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly changes: Emitter<DirtyRows>;
  private readonly view: ViewWatch;

  readonly onChange: Event<DirtyRows>;

  constructor(
    client: McpxClient,
    readonly sessionId: string,
  ) {
    this.changes = this.lifetime.add(new Emitter<DirtyRows>());
    this.onChange = this.changes.event;
    this.view = this.lifetime.add(
      client.watch({view: 'session', sessionId}, update => {
        const dirty = dirtyRows(update);
        if (dirty !== undefined) this.changes.emit(dirty);
      }),
    );
  }

  /** False until the first snapshot is whole. */
  get isWhole(): boolean {
    return this.view.cursor !== undefined;
  }

  /** By `rowKey`. */
  get rows(): ReadonlyMap<string, Row> {
    return this.view.rows;
  }

  /** Where the rows stand. */
  get revision(): number | undefined {
    return this.view.cursor?.revision;
  }

  dispose(): void {
    this.lifetime.dispose();
  }
}
