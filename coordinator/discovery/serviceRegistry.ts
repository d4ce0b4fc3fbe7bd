/** Everything that was found, each until its time is over or somebody says that it is gone. What comes from a network is bounded. */
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {FoundService} from './foundService.ts';

export const MAX_SERVICES = 2048;

export type RegistryChange =
  | {readonly kind: 'found'; readonly service: FoundService}
  | {readonly kind: 'gone'; readonly service: FoundService};

interface Entry {
  readonly service: FoundService;
  expiry: Disposable;
}

export class ServiceRegistry implements Disposable {
  private readonly entries = new Map<string, Entry>();
  private readonly changes = new Emitter<RegistryChange>();

  readonly onChange = this.changes.event;

  constructor(
    private readonly clock: Clock,
    private readonly max = MAX_SERVICES,
  ) {}

  /** Found, or found again: it is forgotten after `ttlMs` without another word; undefined: never. False when there are too many. */
  found(service: FoundService, ttlMs: number | undefined): boolean {
    const key = keyOf(service);
    const before = this.entries.get(key);
    if (!before && this.entries.size >= this.max) return false;
    before?.expiry.dispose();
    const entry: Entry = {service, expiry: noDisposable};
    if (ttlMs !== undefined)
      entry.expiry = this.clock.schedule(ttlMs, () => this.gone(service), {background: true});
    this.entries.set(key, entry);
    if (before?.service.url === service.url && before.service.instance === service.instance) return true;
    if (before && before.service.url !== service.url)
      this.changes.emit({kind: 'gone', service: before.service});
    this.changes.emit({kind: 'found', service});
    return true;
  }

  gone(service: Pick<FoundService, 'kind' | 'id' | 'source'>): void {
    const key = keyOf(service);
    const entry = this.entries.get(key);
    if (!entry) return;
    entry.expiry.dispose();
    this.entries.delete(key);
    this.changes.emit({kind: 'gone', service: entry.service});
  }

  all(): FoundService[] {
    return [...this.entries.values()].map(({service}) => service);
  }

  dispose(): void {
    this.changes.dispose();
    for (const {expiry} of this.entries.values()) expiry.dispose();
    this.entries.clear();
  }
}

function keyOf({kind, id, source}: Pick<FoundService, 'kind' | 'id' | 'source'>): string {
  return `${source} ${kind} ${id}`;
}
