/** The links and cables that are broken at present: faults that overlap break the same one more than once, and it is whole again after the last of them. */
import type {HostNetwork} from '../../support/hostNetwork.ts';

export class BrokenLinks {
  private readonly cuts = new Map<string, number>();
  private readonly unplugged = new Map<string, number>();

  constructor(
    private readonly network: HostNetwork,
    private readonly places: readonly string[],
  ) {}

  /** Nothing that `from` sends reaches `to`. Returns what heals that. */
  cut(from: string, to: string): () => void {
    const key = `${from} ${to}`;
    if (count(this.cuts, key, 1) === 1) this.network.cut(from, to);
    return once(() => {
      if (count(this.cuts, key, -1) === 0) this.network.restore(from, to);
    });
  }

  unplug(host: string): () => void {
    if (count(this.unplugged, host, 1) === 1) this.network.unplug(host);
    return once(() => {
      if (count(this.unplugged, host, -1) > 0) return;
      this.network.plug(host);
      // Addresses may be forgotten with the cable out.
      for (const other of this.places)
        if (other !== host && !this.cuts.get(`${host} ${other}`)) this.network.restore(host, other);
    });
  }
}

function count(counts: Map<string, number>, key: string, by: number): number {
  const now = (counts.get(key) ?? 0) + by;
  counts.set(key, now);
  return now;
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}
