/** Makes the Raft node of a simulated process. */
import {RaftNode} from '../../../coordinator/raft/raftNode.ts';
import type {RaftConfig} from '../../../coordinator/raft/types.ts';

export function newNode(config: RaftConfig): RaftNode {
  return new RaftNode(config);
}
