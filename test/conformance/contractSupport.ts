/** What the files of the store's contract share: the store under test, short ways to write and read, a recorder of watches. */
import assert from 'node:assert/strict';
import {type Deferred, deferred} from '../../coordinator/runtime/deferred.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {KeyValue, Op, Store, TxnResult, WatchMessage} from '../../coordinator/store/store.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Lets `ms` pass for the store's leases: a manual clock advances, a real one is waited for. */
  pass(ms: number): Promise<void>;
  /** Stops the driver as a restart of its process does, and opens it again; undefined where the driver keeps nothing itself. */
  readonly reopen?: (() => Promise<Store>) | undefined;
  dispose(): Promise<void>;
}

export const put = (key: string, value: string, lease?: string): Op => ({kind: 'put', key, value, lease});

/** A key-value pair without the fields that a driver may leave out. */
export function plain(kv: KeyValue | undefined): KeyValue | undefined {
  if (!kv) return undefined;
  const {key, value, createRevision, modRevision, version, lease} = kv;
  return {key, value, createRevision, modRevision, version, ...(lease === undefined ? {} : {lease})};
}

export function pairs(kvs: readonly KeyValue[]): string[] {
  return kvs.map(kv => `${kv.key}=${kv.value}`);
}

export function ranges(result: TxnResult): (string[] | undefined)[] {
  return result.responses.map(response => (response.kind === 'range' ? pairs(response.kvs) : undefined));
}

export async function refused(
  promise: Promise<unknown>,
  code: 'limit' | 'notFound' | 'closed' | 'unavailable',
): Promise<void> {
  await assert.rejects(promise, error => isCoordinatorError(error, code));
}

/** Collects the messages of a watch. */
export class Recorder {
  readonly messages: WatchMessage[] = [];
  private waiting: {count: number; done: Deferred<void>} | undefined;

  readonly listen = (message: WatchMessage): void => {
    this.messages.push(message);
    if (this.waiting && this.messages.length >= this.waiting.count) this.waiting.done.resolve();
  };

  /** Resolves with all messages once there are `count`. */
  async first(count: number): Promise<readonly WatchMessage[]> {
    if (this.messages.length < count) {
      this.waiting = {count, done: deferred()};
      await this.waiting.done.promise;
    }
    return this.messages;
  }

  /** `3:put a=1,delete b` for each message. */
  text(): string[] {
    return this.messages.map(message => {
      if (message.kind !== 'events') return message.kind;
      const events = message.events.map(event =>
        event.kind === 'put' ? `put ${event.key}=${event.kv.value}` : `delete ${event.key}`,
      );
      return `${message.revision}:${events.join(',')}`;
    });
  }
}
