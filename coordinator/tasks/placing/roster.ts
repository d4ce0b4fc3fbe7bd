/** The agents as arrays of numbers: who is connected, who has a free slot, what placement reads in its inner loops. Kept in step by touches. */
import {type AgentNode, type Fleet, freeSlots, isOnline} from '../fleet/fleet.ts';
import {Members} from './members.ts';

const FIRST_CAPACITY = 64;

export class Roster {
  readonly agents: (AgentNode | undefined)[] = [];
  /** Of connected agents; 0 for others and for those that cool down. */
  free = new Int32Array(FIRST_CAPACITY);
  /** Changes with every change of the agent's record or liveness. */
  version = new Int32Array(FIRST_CAPACITY);
  /** Wall time until which the agent is paused; 0 when it is not. */
  pausedUntil = new Float64Array(FIRST_CAPACITY);
  /** Counts the changes of each agent. */
  changes = new Int32Array(FIRST_CAPACITY);
  idHash = new Int32Array(FIRST_CAPACITY);
  /** Of connected agents, taken or not. */
  private slots = new Int32Array(FIRST_CAPACITY);
  private internal = new Uint8Array(FIRST_CAPACITY);
  private readonly slotsOfTenant = new Map<string, number>();
  readonly reservedFor: (string | undefined)[] = [];
  private reservedCount = 0;
  private readonly connectedOf = new Map<string, Members>();
  private readonly freeOf = new Map<string, Members>();
  private readonly dirty = new Set<AgentNode>();
  private readonly cooling = new Set<AgentNode>();

  constructor(fleet: Fleet) {
    for (const agent of fleet.agents.values()) this.dirty.add(agent);
    fleet.onAgentChange(agent => this.dirty.add(agent));
  }

  get capacity(): number {
    return this.free.length;
  }

  /** Some agent works for one session only. */
  get areReserved(): boolean {
    return this.reservedCount > 0;
  }

  tenants(): IterableIterator<string> {
    return this.freeOf.keys();
  }

  connected(tenant: string): Members {
    return membersOf(this.connectedOf, tenant);
  }

  /** Those with a free slot. */
  freeAgents(tenant: string): Members {
    return membersOf(this.freeOf, tenant);
  }

  /** Of all that are connected, taken or not. */
  slotsOf(tenant: string): number {
    return this.slotsOfTenant.get(tenant) ?? 0;
  }

  freeSlotsOf(tenant: string): number {
    let count = 0;
    for (const index of this.freeAgents(tenant).list) count += this.free[index] ?? 0;
    return count;
  }

  /** Of a connected agent, taken or not. */
  slotsAt(index: number): number {
    return this.slots[index] ?? 0;
  }

  /** The coordinator runs it itself. */
  isInternal(index: number): boolean {
    return this.internal[index] === 1;
  }

  /** Takes in what has changed. */
  refresh(hubNow: number): void {
    for (const agent of this.cooling)
      if (agent.coolUntil <= hubNow) {
        this.cooling.delete(agent);
        this.dirty.add(agent);
      }
    if (this.dirty.size === 0) return;
    for (const agent of this.dirty) this.take(agent, hubNow);
    this.dirty.clear();
  }

  /** A slot of the agent was given away in this pass. */
  took(agent: AgentNode): void {
    const left = (this.free[agent.index] ?? 0) - 1;
    this.free[agent.index] = left;
    if (left <= 0) this.freeAgents(agent.tenant).remove(agent.index);
  }

  forget(agent: AgentNode): void {
    const {index, tenant} = agent;
    this.dirty.delete(agent);
    this.cooling.delete(agent);
    if (this.agents[index] !== agent) return;
    this.agents[index] = undefined;
    this.reserve(index, undefined);
    this.countSlots(tenant, index, 0);
    this.connected(tenant).remove(index);
    this.freeAgents(tenant).remove(index);
  }

  private take(agent: AgentNode, hubNow: number): void {
    const {index, tenant, record} = agent;
    this.grow(index + 1);
    if (this.agents[index] !== agent) {
      this.agents[index] = agent;
      this.idHash[index] = hashOf(agent.id);
    }
    const online = isOnline(agent);
    const isCooling = agent.coolUntil > hubNow;
    if (isCooling) this.cooling.add(agent);
    const slots = online && !isCooling ? Math.max(0, freeSlots(agent)) : 0;
    this.free[index] = slots;
    this.version[index] = agent.version;
    this.changes[index] = (this.changes[index] ?? 0) + 1;
    this.pausedUntil[index] = record?.pausedUntil ?? 0;
    this.internal[index] = record?.mode === 'internal' ? 1 : 0;
    this.reserve(index, record?.instance.metadata.reservedFor);
    this.countSlots(tenant, index, online ? (record?.instance.metadata.maxConcurrentTasks ?? 0) : 0);
    const connected = this.connected(tenant);
    if (online) connected.add(index);
    else connected.remove(index);
    const free = this.freeAgents(tenant);
    if (slots > 0) free.add(index);
    else free.remove(index);
  }

  private reserve(index: number, sessionId: string | undefined): void {
    if (this.reservedFor[index] !== undefined) this.reservedCount -= 1;
    if (sessionId !== undefined) this.reservedCount += 1;
    this.reservedFor[index] = sessionId;
  }

  private countSlots(tenant: string, index: number, count: number): void {
    const change = count - (this.slots[index] ?? 0);
    if (change === 0) return;
    this.slots[index] = count;
    this.slotsOfTenant.set(tenant, this.slotsOf(tenant) + change);
  }

  private grow(needed: number): void {
    if (needed <= this.capacity) return;
    const capacity = Math.max(needed, this.capacity * 2);
    this.free = grown(this.free, new Int32Array(capacity));
    this.version = grown(this.version, new Int32Array(capacity));
    this.pausedUntil = grown(this.pausedUntil, new Float64Array(capacity));
    this.changes = grown(this.changes, new Int32Array(capacity));
    this.slots = grown(this.slots, new Int32Array(capacity));
    this.internal = grown(this.internal, new Uint8Array(capacity));
    this.idHash = grown(this.idHash, new Int32Array(capacity));
  }
}

export function grown<T extends Int32Array | Float64Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

/** FNV-1a. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}

function membersOf(all: Map<string, Members>, tenant: string): Members {
  let members = all.get(tenant);
  if (!members) {
    members = new Members();
    all.set(tenant, members);
  }
  return members;
}
