/** Results that may be read again for as long as their server said: `public` ones by everybody, all others by the principal that asked. */
import type {Clock} from '../runtime/clock.ts';
import type {Principal} from '../security/principal.ts';
import type {LegResult} from './leg.ts';

/** A server cannot have a result kept for longer. */
const MAX_TTL_MS = 86_400_000;

interface Entry {
  readonly result: LegResult;
  readonly until: number;
}

export class ResultCache {
  /** Oldest first. */
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly clock: Clock,
    private readonly maxEntries: number,
  ) {}

  get(server: string, what: string, principal: Principal): LegResult | undefined {
    for (const key of [keyOf(server, what), keyOf(server, what, principal)]) {
      const entry = this.entries.get(key);
      if (!entry) continue;
      if (entry.until > this.clock.now()) return entry.result;
      this.entries.delete(key);
    }
    return undefined;
  }

  /** Keeps it where its server gave a hint. */
  put(server: string, what: string, principal: Principal, result: LegResult): void {
    const {ttlMs, cacheScope} = result;
    if (typeof ttlMs !== 'number' || !(ttlMs > 0) || this.maxEntries === 0) return;
    const key = cacheScope === 'public' ? keyOf(server, what) : keyOf(server, what, principal);
    this.entries.delete(key);
    this.entries.set(key, {result, until: this.clock.now() + Math.min(ttlMs, MAX_TTL_MS)});
    if (this.entries.size <= this.maxEntries) return;
    const oldest = this.entries.keys().next().value;
    if (oldest !== undefined) this.entries.delete(oldest);
  }

  /** All of a server, or one thing of it: it has changed. */
  forget(server: string, what?: string): void {
    const prefix = JSON.stringify(what === undefined ? [server] : [server, what]).slice(0, -1);
    for (const key of [...this.entries.keys()]) if (key.startsWith(prefix)) this.entries.delete(key);
  }
}

function keyOf(server: string, what: string, principal?: Principal): string {
  return JSON.stringify(principal ? [server, what, principal.tenant, principal.id] : [server, what]);
}
