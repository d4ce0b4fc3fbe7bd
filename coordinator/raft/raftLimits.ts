/** Limits and periods of a node, with their defaults. Periods are in ticks. */
import {assert} from '../runtime/assert.ts';
import type {RaftConfig} from './types.ts';

const MIB = 1024 * 1024;

export class RaftLimits {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly maxReadyBytes: number;
  readonly maxMessageBytes: number;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly maxUncommittedBytes: number;
  readonly maxPendingReads: number;
  readonly leaseReads: boolean;
  readonly leaseMarginTicks: number;
  readonly lazyCommits: boolean;

  constructor(config: RaftConfig) {
    this.electionTicks = config.electionTicks ?? 10;
    this.heartbeatTicks = config.heartbeatTicks ?? 1;
    this.maxReadyBytes = config.maxReadyBytes ?? 4 * MIB;
    this.maxMessageBytes = config.maxMessageBytes ?? MIB;
    this.maxInFlight = config.maxInFlight ?? 128;
    this.maxInFlightBytes = config.maxInFlightBytes ?? 16 * MIB;
    this.maxUncommittedBytes = config.maxUncommittedBytes ?? 256 * MIB;
    this.maxPendingReads = config.maxPendingReads ?? 65_536;
    this.leaseReads = config.leaseReads ?? false;
    this.leaseMarginTicks = config.leaseMarginTicks ?? 2;
    this.lazyCommits = config.lazyCommits ?? false;
    assert(this.heartbeatTicks < this.electionTicks, 'a heartbeat is sooner than an election');
    assert(
      this.leaseMarginTicks >= 1 && this.leaseMarginTicks < this.electionTicks,
      'the lease ends before an election',
    );
  }
}
