/** The window's one mirror of the fleet, whichever coordinator it is connected to: views, documents and panels draw from it and from nothing else. */

import {readArtifact} from '../../coordinator/artifacts/readArtifact.ts';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {type FleetChange, FleetMirror} from '../../coordinator/client/mirror/fleetMirror.ts';
import {PlanReader} from '../../coordinator/client/mirror/planReader.ts';
import {type Disposable, DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../coordinator/runtime/emitter.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';

/** `reset`: another coordinator, or none: whatever was opened is to be opened anew. */
export type FleetEvent = FleetChange | {readonly part: 'reset'};

export class Fleet implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly changes = this.lifetime.add(new Emitter<FleetEvent>());
  private client: McpxClient | undefined;
  private current: FleetMirror | undefined;

  readonly onChange: Event<FleetEvent> = this.changes.event;
  readonly plans: PlanReader;

  constructor(private readonly link: CoordinatorLink) {
    this.plans = new PlanReader(async sha256 => {
      const {artifacts} = link;
      if (!artifacts) throw new CoordinatorError('unavailable', 'no coordinator is connected');
      return readArtifact(artifacts, sha256);
    });
    this.lifetime.add(link.onState(() => this.follow()));
    this.follow();
  }

  /** Undefined without a coordinator. */
  get mirror(): FleetMirror | undefined {
    return this.current;
  }

  dispose(): void {
    this.current?.dispose();
    this.lifetime.dispose();
  }

  private follow(): void {
    const {client} = this.link;
    if (client === this.client) return;
    this.current?.dispose();
    this.client = client;
    this.current = client && new FleetMirror(client);
    this.current?.onChange(change => this.changes.emit(change));
    this.changes.emit({part: 'reset'});
  }
}
