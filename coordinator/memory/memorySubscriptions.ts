/**
 * Who is told of changes of shared memory, by pattern. Each change is told once and in order; a subscriber that was away resumes after the
 * revision that it had, and is told in so many words when the changes since then were compacted.
 */
import type {Logger} from '../observability/logger.ts';
import type {MemoryEntry} from '../protocol/commands/memory.ts';
import {compilePattern} from '../protocol/keyPattern.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {describeError} from '../runtime/errors.ts';
import type {StoreEvent} from '../store/store.ts';
import type {MemoryScope} from './memoryScope.ts';
import {storedMemory} from './memoryValue.ts';

export type MemoryEvent =
  /** Without `entry` the key was deleted. */
  | {
      readonly kind: 'changed';
      readonly key: string;
      readonly revision: number;
      readonly entry: MemoryEntry | undefined;
    }
  /** Changes up to `compactRevision` are forgotten: read what there is, and subscribe after the revision of that. The last event. */
  | {readonly kind: 'compacted'; readonly compactRevision: number}
  /** The store ended the watch. The last event. */
  | {readonly kind: 'closed'; readonly error: Error | undefined};

export interface SubscribeOptions {
  /** Every change after this revision is told. Default: what comes from now on. */
  readonly afterRevision?: number | undefined;
}

export class MemorySubscriptions implements Disposable {
  private readonly watches = new Map<string, Disposable>();
  private last = 0;

  constructor(
    private readonly scope: MemoryScope,
    private readonly logger: Logger,
  ) {}

  subscribe(
    sessionId: string,
    pattern: string,
    listener: (event: MemoryEvent) => void,
    {afterRevision}: SubscribeOptions = {},
  ): string {
    const prefix = this.scope.keys.memory(sessionId);
    const compiled = compilePattern(pattern);
    const id = `sub-${++this.last}`;
    const from = afterRevision === undefined ? {} : {fromRevision: afterRevision + 1};
    const watch = this.scope.store.watch(`${prefix}${compiled.prefix}`, from, message => {
      if (message.kind === 'events') {
        for (const event of message.events) {
          const key = event.key.slice(prefix.length);
          const entry = compiled.matches(key) ? this.entryOf(key, event) : 'none';
          if (entry !== 'none') listener({kind: 'changed', key, revision: message.revision, entry});
        }
        return;
      }
      this.watches.delete(id);
      if (message.kind === 'compacted') listener(message);
      else listener({kind: 'closed', error: message.error});
    });
    this.watches.set(id, watch);
    return id;
  }

  /** False when there is no such subscription (any more). */
  unsubscribe(id: string): boolean {
    this.watches.get(id)?.dispose();
    return this.watches.delete(id);
  }

  dispose(): void {
    for (const watch of this.watches.values()) watch.dispose();
    this.watches.clear();
  }

  /** A value that is damaged is told to nobody. */
  private entryOf(key: string, {kind, kv}: StoreEvent): MemoryEntry | undefined | 'none' {
    if (kind === 'delete') return undefined;
    try {
      const {value: record, version, modRevision} = storedMemory(kv);
      return {key, record, version, modRevision};
    } catch (error) {
      this.logger.error('a value of shared memory cannot be told', {
        key: kv.key,
        error: describeError(error),
      });
      return 'none';
    }
  }
}
