/** An agent's node that says when anything of it changes that placement depends on, so that nobody has to look at every agent each time. */
import type {AgentLive, AgentRecord} from '../../protocol/model/agent.ts';
import type {AgentNode, AttemptNode} from '../fleet/fleet.ts';

export class ObservedAgent implements AgentNode {
  readonly attempts: Set<AttemptNode>;
  lastPlaced = 0;
  version = 0;
  private ownRecord: AgentRecord | undefined;
  private ownLive: AgentNode['live'];
  private ownReserved = 0;
  private ownCoolUntil = 0;

  constructor(
    readonly tenant: string,
    readonly id: string,
    readonly index: number,
    private readonly changed: (agent: AgentNode) => void,
  ) {
    this.attempts = new ObservedSet(() => this.changed(this));
  }

  get record(): AgentRecord | undefined {
    return this.ownRecord;
  }

  set record(record: AgentRecord | undefined) {
    this.ownRecord = record;
    this.changed(this);
  }

  get live(): {readonly value: AgentLive; readonly mod: number} | undefined {
    return this.ownLive;
  }

  set live(live: {readonly value: AgentLive; readonly mod: number} | undefined) {
    this.ownLive = live;
    this.changed(this);
  }

  get reserved(): number {
    return this.ownReserved;
  }

  set reserved(count: number) {
    this.ownReserved = count;
    this.changed(this);
  }

  get coolUntil(): number {
    return this.ownCoolUntil;
  }

  set coolUntil(hubTime: number) {
    this.ownCoolUntil = hubTime;
    this.changed(this);
  }
}

class ObservedSet<T> extends Set<T> {
  constructor(private readonly changed: () => void) {
    super();
  }

  override add(member: T): this {
    super.add(member);
    this.changed();
    return this;
  }

  override delete(member: T): boolean {
    const was = super.delete(member);
    if (was) this.changed();
    return was;
  }

  override clear(): void {
    super.clear();
    this.changed();
  }
}
