/** The tree of agents: region, agent, what it runs. Pure. */
import type {AgentRow, FleetChange} from '../../../coordinator/client/mirror/fleetMirror.ts';
import {compareText} from '../../../coordinator/client/report/sessionReport.ts';
import {DisposableStore} from '../../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../../coordinator/runtime/emitter.ts';
import type {ActiveWork} from './activeWork.ts';
import {agentNode, regionNode, runningNode} from './agentNodes.ts';
import {type AskAgentPast, pastLines} from './agentTrouble.ts';
import {type FleetSource, whenWhole} from './fleetRows.ts';
import {agentNodeId, attemptNodeId, nodeRef, regionNodeId} from './nodeIds.ts';
import type {Dirt, TreeModel, TreeNode} from './treeModel.ts';
import type {Words} from './words.ts';

export class AgentsModel implements TreeModel {
  private readonly lifetime = new DisposableStore();
  private readonly dirt = this.lifetime.add(new Emitter<Dirt>());
  /** Sorted, as their agents, of whom those that are gone come last. */
  private regions: ReadonlyMap<string, readonly string[]> = new Map();

  readonly onDirty: Event<Dirt> = this.dirt.event;

  constructor(
    private readonly fleet: FleetSource,
    private readonly work: ActiveWork,
    private readonly words: Words,
    private readonly askPast: AskAgentPast = () => Promise.resolve({classes: [], member: undefined}),
  ) {
    this.sort();
    this.lifetime.add(fleet.onChange(change => this.follow(change)));
    this.lifetime.add(work.onChange(({agents}) => this.agentsChanged([...agents])));
  }

  children(id: string | undefined): readonly string[] {
    if (id === undefined) return [...this.regions.keys()].map(regionNodeId);
    const ref = nodeRef(id);
    if (ref?.kind === 'region') return (this.regions.get(ref.region) ?? []).map(agentNodeId);
    return ref?.kind === 'agent'
      ? this.work.runningOn(ref.agentId).map(({id: each}) => attemptNodeId(each))
      : [];
  }

  node(id: string): TreeNode | undefined {
    const ref = nodeRef(id);
    if (ref?.kind === 'region') {
      const ids = this.regions.get(ref.region);
      return (
        ids &&
        regionNode(
          ref.region,
          ids.map(each => this.fleet.mirror?.agent(each)),
          this.words,
        )
      );
    }
    if (ref?.kind === 'agent') {
      const row = this.fleet.mirror?.agent(ref.agentId);
      return row && agentNode(row, this.work.runningOn(ref.agentId).length, this.words);
    }
    if (ref?.kind !== 'attempt') return undefined;
    const attempt = this.work.get(ref.attemptId);
    return (
      attempt && runningNode(attempt, this.fleet.mirror?.session(attempt.sessionId)?.session.name, this.words)
    );
  }

  parent(id: string): string | undefined {
    const ref = nodeRef(id);
    if (ref?.kind === 'agent') {
      const row = this.fleet.mirror?.agent(ref.agentId);
      return row && regionNodeId(regionOf(row));
    }
    const attempt = ref?.kind === 'attempt' ? this.work.get(ref.attemptId) : undefined;
    return attempt && agentNodeId(attempt.agentId);
  }

  async moreTooltip(id: string): Promise<readonly string[]> {
    const ref = nodeRef(id);
    return ref?.kind === 'agent' ? pastLines(await this.askPast(ref.agentId), this.words) : [];
  }

  open(id: string | undefined): Promise<void> | undefined {
    return id === undefined ? whenWhole(this.fleet) : undefined;
  }

  close(): void {}

  watched(): void {}

  /** Ages of the last signs of life, and times of attempts. */
  tick(): void {
    this.agentsChanged((this.fleet.mirror?.agents ?? []).map(({id}) => id));
    const running = this.work.all().map(({id}) => attemptNodeId(id));
    if (running.length > 0) this.dirt.emit(new Set(running));
  }

  dispose(): void {
    this.lifetime.dispose();
  }

  private follow(change: FleetChange | {readonly part: 'reset'}): void {
    if (change.part !== 'agents' && change.part !== 'reset') return;
    if (this.sort() || change.part === 'reset' || change.rows === 'all') this.dirt.emit('all');
    else this.agentsChanged([...change.rows].map(key => key.slice(key.indexOf('/') + 1)));
  }

  private agentsChanged(ids: readonly string[]): void {
    if (ids.length === 0) return;
    const dirty = ids.flatMap(id => {
      const row = this.fleet.mirror?.agent(id);
      return [agentNodeId(id), ...(row ? [regionNodeId(regionOf(row))] : [])];
    });
    this.dirt.emit(new Set(dirty));
  }

  /** True when an agent came, went or moved. */
  private sort(): boolean {
    const regions = new Map<string, string[]>();
    const rows = [...(this.fleet.mirror?.agents ?? [])];
    rows.sort(
      (a, b) =>
        compareText(regionOf(a), regionOf(b)) ||
        Number(b.online) - Number(a.online) ||
        compareText(a.id, b.id),
    );
    for (const row of rows) {
      const ofRegion = regions.get(regionOf(row)) ?? [];
      ofRegion.push(row.id);
      regions.set(regionOf(row), ofRegion);
    }
    const before = JSON.stringify([...this.regions]);
    this.regions = regions;
    return before !== JSON.stringify([...regions]);
  }
}

function regionOf({agent}: AgentRow): string {
  return agent.instance.metadata.region;
}
