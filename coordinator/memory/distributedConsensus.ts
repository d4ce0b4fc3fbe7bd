/** Changes of shared state by agreement of a majority: proposed here, decided by the store, whichever node of it leads. */
import {isProtocolError} from '../protocol/errors.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {JsonValue} from '../runtime/json.ts';
import {newId, type Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';
import type {Store} from '../store/store.ts';
import type {SharedMemory} from './sharedMemory.ts';

export interface StateChange {
  readonly sessionId: string;
  readonly key: string;
  /** Absent: the key is deleted. */
  readonly value?: JsonValue | undefined;
  /** The version that the key must have; 0: there must be none. */
  readonly ifVersion?: number | undefined;
}

export type ConsensusResult =
  | {readonly success: true; readonly changeId: string; readonly revision: number}
  /** `unknown`: it may have been committed all the same. */
  | {readonly success: false; readonly reason: string; readonly unknown?: true};

export class DistributedConsensus {
  constructor(
    private readonly store: Store,
    private readonly memory: SharedMemory,
    private readonly random: Random,
  ) {}

  /** Resolves once a majority has it, or has refused it. A node that does not lead hands it on to the one that does. */
  async proposeStateChange(change: StateChange, principal: Principal): Promise<ConsensusResult> {
    const {sessionId, key, value, ifVersion} = change;
    const changeId = newId(this.random, 'change');
    try {
      const {revision} =
        value === undefined
          ? await this.memory.delete({sessionId, key, ifVersion}, principal, changeId)
          : await this.memory.put({sessionId, key, value, ifVersion}, principal, changeId);
      return {success: true, changeId, revision};
    } catch (error) {
      if (isCoordinatorError(error, 'timeout')) return {success: false, reason: error.message, unknown: true};
      if (isProtocolError(error)) return {success: false, reason: error.message};
      if (isCoordinatorError(error, 'unavailable') || isCoordinatorError(error, 'diskFull'))
        return {success: false, reason: error.message};
      throw error;
    }
  }

  isLeader(): boolean {
    return this.store.status().isLeader;
  }

  /** Undefined while there is none, or none that is known here. */
  getLeader(): string | undefined {
    return this.store.status().leader;
  }
}
