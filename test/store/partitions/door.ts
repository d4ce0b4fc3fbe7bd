/** A way into a store under test, as clients see it: every request ends with an answer, a refusal, or in doubt. */
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {KeyValue, Store, WatchMessage} from '../../../coordinator/store/store.ts';
import {askStore} from '../../simulation/checker/askStore.ts';
import type {StoreInput, StoreOutput} from '../../simulation/checker/storeModel.ts';

export type Reply =
  | {readonly kind: 'answer'; readonly output: StoreOutput}
  /** Surely without effect. */
  | {readonly kind: 'refused'; readonly why: string}
  /** It may have been done, or be done yet. */
  | {readonly kind: 'unknown'; readonly why: string};

/** What a member has applied, which may be old. */
export interface LocalState {
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
}

export interface Door {
  readonly name: string;
  /** Never rejects. */
  ask(input: StoreInput): Promise<Reply>;
  local(): Promise<LocalState | undefined>;
  /** Ends with a message other than `events`. */
  watch(prefix: string, fromRevision: number, listener: (message: WatchMessage) => void): Disposable;
  /** Gives up what is still open. */
  close(): void;
}

/** The contract's word about failures (store.ts), taken literally: that it holds is part of the test. */
export async function replyOf(store: Store, input: StoreInput): Promise<Reply> {
  try {
    return {kind: 'answer', output: await askStore(store, input)};
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const isRefusal = (['unavailable', 'diskFull', 'closed', 'limit'] as const).some(code =>
      isCoordinatorError(error, code),
    );
    return {kind: isRefusal ? 'refused' : 'unknown', why};
  }
}

export async function localState(store: Store): Promise<LocalState> {
  const {revision, kvs} = await store.range('', {consistency: 'local'});
  return {revision, kvs};
}
