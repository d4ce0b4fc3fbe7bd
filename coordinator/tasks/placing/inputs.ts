/** Where the inputs of a task are: how many an agent made itself, and how many bytes it would have to fetch from near and from far. */
import type {AgentNode, TaskNode} from '../fleet/fleet.ts';

/** Dependencies looked at; a merge of thousands has inputs everywhere anyway. */
const SAMPLE = 256;

export class Inputs {
  private readonly countOf = new Map<string, number>();
  private readonly bytesOfAgent = new Map<string, number>();
  private readonly bytesOfRegion = new Map<string, number>();
  private total = 0;

  constructor(task: TaskNode) {
    for (const id of task.spec.dependsOn.slice(0, SAMPLE)) {
      const dependency = task.session.tasks.get(id);
      const place = dependency?.lastAgent;
      if (!place) continue;
      add(this.countOf, place.id, 1);
      const bytes = dependency?.record.result?.bundle?.bytes ?? 0;
      add(this.bytesOfAgent, place.id, bytes);
      add(this.bytesOfRegion, place.region, bytes);
      this.total += bytes;
    }
  }

  get areBytes(): boolean {
    return this.total > 0;
  }

  localTo(agent: AgentNode): number {
    return this.countOf.get(agent.id) ?? 0;
  }

  nearBytes(agent: AgentNode): number {
    const {region = ''} = agent.record?.instance.metadata ?? {};
    return Math.max(0, (this.bytesOfRegion.get(region) ?? 0) - (this.bytesOfAgent.get(agent.id) ?? 0));
  }

  farBytes(agent: AgentNode): number {
    const {region = ''} = agent.record?.instance.metadata ?? {};
    return this.total - (this.bytesOfRegion.get(region) ?? 0);
  }
}

function add(to: Map<string, number>, key: string, amount: number): void {
  to.set(key, (to.get(key) ?? 0) + amount);
}
