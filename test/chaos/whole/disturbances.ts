/** Inflicts the faults of a whole run as their time comes, and heals each after its length. What had to hold meanwhile is invariants.ts. */
import {setTimeout as pause} from 'node:timers/promises';
import type {McpxClient} from '../../../coordinator/client/mcpxClient.ts';
import {CLIENTS, type HostNetwork} from '../../support/hostNetwork.ts';
import {BrokenLinks} from './brokenLinks.ts';
import {describeWholeFault, type WholeFault, type WholeKind} from './wholeFaults.ts';
import {HOSTS, type Kept, linkOf, NODES, type WholeFleet} from './wholeFleet.ts';

const LEAD_MS = 2000;

/** From when until when something was done to an agent, or to what it reaches its coordinators by; wall time in ms. */
export interface Touch {
  readonly agentId: string;
  readonly from: number;
  to: number;
}

type Heal = () => Promise<void> | void;

export class Disturbances {
  readonly touches: Touch[] = [];
  readonly inflicted = new Map<WholeKind, number>();
  private readonly links: BrokenLinks;
  private readonly stops = new Map<string, number>();
  private readonly over = new AbortController();
  private open: Promise<void>[] = [];

  constructor(
    private readonly fleet: WholeFleet,
    network: HostNetwork,
    private readonly client: McpxClient,
    private readonly note: (text: string) => void,
  ) {
    this.links = new BrokenLinks(network, [...HOSTS, CLIENTS]);
  }

  /** Until `stop`, or the first fault after `untilMs`. */
  async run(faults: Iterable<WholeFault>, untilMs: number): Promise<void> {
    const began = performance.now();
    for (const fault of faults) {
      if (fault.atMs > untilMs) return;
      await this.sleep(fault.atMs - (performance.now() - began));
      if (this.over.signal.aborted) return;
      this.open.push(this.inflict(fault));
    }
  }

  /** No more faults; resolves when all are healed, which is at once. */
  async stop(): Promise<void> {
    this.over.abort();
    await Promise.all(this.open);
  }

  private async inflict(fault: WholeFault): Promise<void> {
    const victim = fault.victim === 'lead' ? await this.lead() : fault.victim;
    this.inflicted.set(fault.kind, (this.inflicted.get(fault.kind) ?? 0) + 1);
    this.note(`${describeWholeFault(fault)}${victim === fault.victim ? '' : `: ${victim}`}`);
    const from = Date.now();
    const touched = this.touchedBy(fault, victim).map(
      (agentId): Touch => ({agentId, from, to: Number.POSITIVE_INFINITY}),
    );
    this.touches.push(...touched);
    const heal = await this.begin(fault, victim);
    await this.sleep(fault.durationMs);
    await heal();
    for (const touch of touched) touch.to = Date.now();
    this.note(`${fault.number}: is over`);
  }

  private async begin({kind, other = ''}: WholeFault, victim: string): Promise<Heal> {
    switch (kind) {
      case 'killAgent':
      case 'killCoordinator':
        return this.kill(this.fleet.kept(victim));
      case 'stopAgent':
      case 'stopCoordinator':
        return this.halt(this.fleet.kept(victim));
      case 'cutOneWay':
        return this.links.cut(victim, other);
      case 'cutBoth': {
        const heals = [this.links.cut(victim, other), this.links.cut(other, victim)];
        return () => {
          for (const heal of heals) heal();
        };
      }
      case 'unplug':
        return this.links.unplug(victim);
      case 'slow':
        return this.fleet.slowHost?.worsen() ?? (() => undefined);
    }
  }

  private async kill(kept: Kept): Promise<Heal> {
    kept.downs += 1;
    await kept.process.kill();
    return () => {
      kept.downs -= 1;
      if (kept.downs === 0 && !kept.process.isRunning) kept.process.start();
    };
  }

  /** One that a fault has killed meanwhile and another has started again goes on running. */
  private halt({name, process: verb}: Kept): Heal {
    if (!verb.isRunning) return () => undefined;
    const {pid} = verb;
    const key = `${name} ${pid}`;
    this.stops.set(key, (this.stops.get(key) ?? 0) + 1);
    verb.pause();
    return () => {
      const left = (this.stops.get(key) ?? 0) - 1;
      this.stops.set(key, left);
      if (left === 0 && verb.isRunning && verb.pid === pid) verb.resume();
    };
  }

  /** As the client is told; the first of them when nobody says. */
  private async lead(): Promise<string> {
    return (await this.fleet.lead(this.client, LEAD_MS).catch(() => undefined)) ?? NODES[0];
  }

  private touchedBy({kind, other}: WholeFault, victim: string): string[] {
    const agents = [...this.fleet.agents.values()];
    if (kind === 'slow') return agents.filter(({host}) => linkOf(host) !== host).map(({name}) => name);
    return agents
      .filter(({name, host}) => [name, linkOf(host)].includes(victim) || linkOf(host) === other)
      .map(({name}) => name);
  }

  private sleep(ms: number): Promise<void> {
    return pause(Math.max(0, ms), undefined, {signal: this.over.signal}).catch(() => undefined);
  }
}
