/**
 * What an attempt says of itself while it goes on: the events of its transcript, what it has spent, which paths it has changed. Secrets are masked and
 * lengths bounded before anything is written down or sent.
 */
import type {Fence} from '../../protocol/ids.ts';
import type {ChangedPaths} from '../../protocol/model/attempt.ts';
import type {TranscriptEvent} from '../../protocol/transcript.ts';
import {NO_USAGE, type Usage} from '../../protocol/usage.ts';
import {TranscriptSender} from '../link/transcriptSender.ts';
import type {TranscriptSpool} from '../link/transcriptSpool.ts';
import {clipEvent} from './clipEvent.ts';
import type {RunnerServices} from './runnerServices.ts';
import type {SecretMask} from './secretMask.ts';

export interface TranscriptOf {
  readonly attemptId: string;
  readonly fence: Fence;
  /** The one of now. */
  mask(): SecretMask;
  /** The hub has said that the fence has fallen. */
  stale(): void;
}

export class AttemptTranscript {
  private readonly spool: TranscriptSpool;
  private readonly sender: TranscriptSender;
  private spent: Usage = NO_USAGE;

  constructor(
    private readonly of: TranscriptOf,
    private readonly services: Pick<RunnerServices, 'clock' | 'link' | 'logger' | 'settings' | 'spool'>,
  ) {
    const {attemptId, fence} = of;
    const {clock, link, logger, settings} = services;
    const spool = services.spool.transcript(attemptId, fence);
    this.spool = spool;
    this.sender = new TranscriptSender({
      attemptId,
      spool,
      link,
      clock,
      logger,
      settings,
      stale: () => of.stale(),
    });
  }

  /** Number of its newest event. */
  get lastSeq(): number {
    return this.spool.lastSeq;
  }

  get usage(): Usage {
    return this.spent;
  }

  event(event: TranscriptEvent): void {
    this.spool.append(clipEvent(this.of.mask().event(event)));
    this.sender.wake();
  }

  note(level: 'info' | 'warn' | 'error', text: string): void {
    this.event({kind: 'notice', at: this.services.clock.wallNow(), level, text});
  }

  state(state: Extract<TranscriptEvent, {kind: 'state'}>['state']): void {
    this.event({kind: 'state', at: this.services.clock.wallNow(), state});
  }

  /** All that it has spent so far. */
  spends(usage: Usage): void {
    this.spent = usage;
    this.sender.setUsage(usage);
  }

  changed({names, truncated}: ChangedPaths): void {
    const mask = this.of.mask();
    this.sender.setPaths({names: names.map(name => mask.text(name)), truncated});
  }

  /** Nothing follows that the hub would take. */
  finish(): void {
    this.spool.finish();
  }

  /** Resolves when the hub has all of it. */
  drain(): Promise<void> {
    return this.sender.drain();
  }

  /** Nothing is sent any more. */
  end(): void {
    this.sender.end();
  }

  /** What is on the disk: `keep` leaves it for the agent's next run. */
  async close({keep}: {readonly keep: boolean}): Promise<void> {
    if (keep) await this.spool.flush();
    else await this.spool.remove();
  }
}
