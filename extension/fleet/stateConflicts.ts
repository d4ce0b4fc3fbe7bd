/** The conflicts of shared memory that wait for a person, over whichever connection this window has. */
import type {ViewWatch} from '../../coordinator/client/viewWatch.ts';
import type {MemoryConflictRecord} from '../../coordinator/protocol/model/memory.ts';
import {type Disposable, DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../coordinator/runtime/emitter.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';
import type {ConflictSource} from '../views/model/conflictNodes.ts';
import type {Fleet} from './fleet.ts';

export class StateConflicts implements ConflictSource, Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly changes = this.lifetime.add(new Emitter<void>());
  private view: ViewWatch | undefined;
  private known: readonly MemoryConflictRecord[] = [];

  readonly onChange: Event<void> = this.changes.event;

  constructor(
    fleet: Pick<Fleet, 'onChange'>,
    private readonly link: CoordinatorLink,
  ) {
    this.lifetime.add(
      fleet.onChange(({part}) => {
        if (part === 'reset') this.open();
      }),
    );
    this.open();
  }

  /** Oldest first. */
  get all(): readonly MemoryConflictRecord[] {
    return this.known;
  }

  /** Whether what there is is known. */
  get isWhole(): boolean {
    return this.view?.cursor !== undefined;
  }

  get(sessionId: string, conflictId: string): MemoryConflictRecord | undefined {
    return this.all.find(conflict => conflict.sessionId === sessionId && conflict.id === conflictId);
  }

  dispose(): void {
    this.view?.dispose();
    this.lifetime.dispose();
  }

  private open(): void {
    this.view?.dispose();
    this.view = this.link.client?.watch({view: 'conflicts'}, update => {
      if (update.kind !== 'failed') this.read();
    });
    this.read();
  }

  private read(): void {
    this.known = [...(this.view?.rows.values() ?? [])]
      .flatMap(row => (row.kind === 'conflict' ? [row.conflict] : []))
      .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
    this.changes.emit();
  }
}
