/** Which proposals the state has taken in: part of the replicated state, so that a proposal which is sent again after a loss is applied once. Pure. */
import type {Origin} from './proposals.ts';

/** Clients that are remembered. One is a process of a member: a forgotten one ended many restarts ago. */
export const MAX_CLIENTS = 256;

interface Client {
  /** This one and all before it are settled, whether they were applied or not. */
  settled: number;
  /** Applied ones beyond. */
  readonly applied: Set<number>;
  lastUse: number;
}

/** As a snapshot keeps it. */
export interface ClientRecord {
  readonly id: string;
  readonly settled: number;
  readonly applied: readonly number[];
}

export class AppliedProposals {
  private readonly clients = new Map<string, Client>();
  private uses = 0;

  /** False for one that was applied before, or that its client has given up. */
  admit({client: id, sequence, settled}: Origin): boolean {
    const client = this.clientOf(id);
    this.uses += 1;
    client.lastUse = this.uses;
    const isNew = sequence > client.settled && !client.applied.has(sequence);
    if (isNew) client.applied.add(sequence);
    for (let at = client.settled + 1; at <= settled; at++) client.applied.delete(at);
    client.settled = Math.max(client.settled, settled);
    return isNew;
  }

  /** Only of the client's proposals that it has not settled. */
  has(id: string, sequence: number): boolean {
    return this.clients.get(id)?.applied.has(sequence) === true;
  }

  /** The one used longest ago first: equal states give equal lists. */
  records(): ClientRecord[] {
    return [...this.clients]
      .sort(([, a], [, b]) => a.lastUse - b.lastUse)
      .map(([id, {settled, applied}]) => ({id, settled, applied: [...applied].sort((a, b) => a - b)}));
  }

  restore({id, settled, applied}: ClientRecord): void {
    this.uses += 1;
    this.clients.set(id, {settled, applied: new Set(applied), lastUse: this.uses});
  }

  private clientOf(id: string): Client {
    const known = this.clients.get(id);
    if (known) return known;
    if (this.clients.size >= MAX_CLIENTS) this.forgetOne();
    const client = {settled: 0, applied: new Set<number>(), lastUse: 0};
    this.clients.set(id, client);
    return client;
  }

  private forgetOne(): void {
    let oldest: string | undefined;
    let lastUse = Number.POSITIVE_INFINITY;
    for (const [id, client] of this.clients) {
      if (client.lastUse >= lastUse) continue;
      oldest = id;
      lastUse = client.lastUse;
    }
    if (oldest !== undefined) this.clients.delete(oldest);
  }
}
