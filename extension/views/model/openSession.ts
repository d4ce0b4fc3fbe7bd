/** A session that somebody looks into: its rows, their index, and its plan as soon as it is read. Pure. */
import {type Disposable, DisposableStore} from '../../../coordinator/runtime/disposable.ts';
import type {FleetRows, FleetSource, SessionRows} from './fleetRows.ts';
import {type IndexDirt, SessionIndex} from './sessionIndex.ts';

export class OpenSession implements Disposable {
  readonly index: SessionIndex;
  /** Resolves with the first whole snapshot, and when nobody looks any more. */
  readonly whole: Promise<void>;
  private readonly lifetime = new DisposableStore();
  private readonly rows: SessionRows;
  private plan: string | undefined;
  private resolveWhole: () => void = () => undefined;

  constructor(
    fleet: FleetRows,
    private readonly plans: FleetSource['plans'],
    private readonly sessionId: string,
    private readonly changed: (dirt: IndexDirt | 'all') => void,
  ) {
    const {mirror} = this.lifetime.add(fleet.openSession(sessionId));
    this.rows = mirror;
    this.index = new SessionIndex(mirror);
    this.whole = new Promise(resolve => {
      this.resolveWhole = resolve;
    });
    if (mirror.isWhole) this.resolveWhole();
    this.lifetime.add(
      mirror.onChange(dirty => {
        const dirt = this.index.update(dirty);
        if (mirror.isWhole) this.resolveWhole();
        this.followPlan();
        this.changed(dirt);
      }),
    );
    this.followPlan();
  }

  dispose(): void {
    this.lifetime.dispose();
    this.resolveWhole();
  }

  /** Added tasks make another plan. */
  private followPlan(): void {
    const row = this.rows.rows.get(`session/${this.sessionId}`);
    if (row?.kind !== 'session' || row.session.plan === this.plan) return;
    const {plan} = row.session;
    this.plan = plan;
    this.plans.read(plan).then(
      read => {
        if (this.plan !== plan || this.lifetime.isDisposed) return;
        this.index.setPlan(read);
        this.changed('all');
      },
      () => {
        // Without it the tasks stand by name, and what they wait for is not told. A later change tries again.
        if (this.plan === plan) this.plan = undefined;
      },
    );
  }
}
