/** What a member does for clients: the product's store asked, and its errors told apart by what they promise. */
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {KeyValue, WatchMessage} from '../../../coordinator/store/store.ts';
import {askStore} from '../checker/askStore.ts';
import type {StoreInput, StoreOutput} from '../checker/storeModel.ts';
import type {Member} from './member.ts';

export type Answer =
  | {readonly kind: 'answer'; readonly output: StoreOutput}
  /** Surely without effect. */
  | {readonly kind: 'refused'; readonly leader: string | undefined}
  /** It may have an effect. */
  | {readonly kind: 'unknown'};

export class MemberService {
  constructor(private readonly member: Member) {}

  request(input: StoreInput, answer: (answer: Answer) => void): void {
    const {store, isOpen} = this.member;
    const refuse = (): void => answer({kind: 'refused', leader: this.member.node?.leader});
    if (!store || !isOpen) {
      refuse();
      return;
    }
    askStore(store, input).then(
      output => answer({kind: 'answer', output}),
      (error: unknown) => {
        if (isCoordinatorError(error, 'timeout')) answer({kind: 'unknown'});
        else if (REFUSALS.some(code => isCoordinatorError(error, code))) refuse();
        else this.member.die(error);
      },
    );
  }

  /** What this node has applied, which may be old. */
  local(): {revision: number; kvs: readonly KeyValue[]} | undefined {
    return this.member.isOpen ? this.member.machine?.range('') : undefined;
  }

  watch(
    prefix: string,
    fromRevision: number,
    listener: (message: WatchMessage) => void,
  ): Disposable | undefined {
    const {store, isOpen} = this.member;
    if (!isOpen) return undefined;
    try {
      return store?.watch(prefix, {fromRevision}, listener);
    } catch (error) {
      if (isCoordinatorError(error)) return undefined;
      throw error;
    }
  }
}

/** What the store says of a request that surely has no effect. */
const REFUSALS = ['unavailable', 'closed', 'diskFull', 'corrupt'] as const;
