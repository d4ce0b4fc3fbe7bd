/**
 * Transcripts that grow at another coordinator, for clients of this one: events as they come, reads of what is not durable yet. It follows the agent
 * from coordinator to coordinator, and tells its clients where a transcript stands whenever the way is new: they read what they have missed.
 */
import type {Peer} from '../bridge/peer.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import type {Logger} from '../observability/logger.ts';
import type {AgentDirectory} from '../pool/agentDirectory.ts';
import type {ParamsInput, Result} from '../protocol/commands/table.ts';
import {isProtocolError} from '../protocol/errors.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {CoordinatorLinks} from './coordinatorLinks.ts';

type Events = ParamsInput<'mcpx.transcript.events'>;
type Read = ParamsInput<'mcpx.transcript.read'>;
type Window = Result<'mcpx.transcript.read'>;

export interface TranscriptRelayOptions {
  /** Ours. */
  readonly coordinator: string;
  readonly attempts: LiveAttempts;
  readonly agents: AgentDirectory;
  readonly links: Pick<CoordinatorLinks, 'peer' | 'onChanged'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_MS = 1000;

interface Followed {
  /** Known while the attempt lives, and kept: its last events are stored after its end. */
  agentId: string | undefined;
  through: Peer | undefined;
}

export class TranscriptRelay implements Disposable {
  private readonly followed = new Map<string, Followed>();
  private readonly events = new Emitter<Events>();
  private readonly owned = new DisposableStore();

  /** Events of followed transcripts that grow elsewhere. None at all: the transcript has come so far, whoever has less reads. */
  readonly onEvents = this.events.event;

  constructor(private readonly options: TranscriptRelayOptions) {
    const {agents, attempts, links} = options;
    this.owned.add(this.events);
    this.owned.add(agents.lives.onChange(() => this.refreshAll()));
    this.owned.add(attempts.onAgentLoad(() => this.refreshAll()));
    this.owned.add(links.onChanged(() => this.refreshAll()));
  }

  /** Somebody here follows the attempt from now on, or nobody any more. */
  follow(attemptId: string, follow: boolean): void {
    const known = this.followed.get(attemptId);
    if (follow && !known) {
      this.followed.set(attemptId, {agentId: undefined, through: undefined});
      this.refresh(attemptId);
    } else if (!follow && known) {
      this.followed.delete(attemptId);
      this.tell(known.through, attemptId, false).catch((error: unknown) => this.failed(attemptId, error));
    }
  }

  /** What another coordinator says of a transcript. */
  received(events: Events): void {
    if (this.followed.has(events.attemptId)) this.events.emit(events);
  }

  /** The window as the coordinator has it where the transcript grows; undefined where that is this one, nobody, or not reached. */
  async read(params: Read): Promise<Window | undefined> {
    const through = this.wayTo(params.attemptId);
    try {
      return await through?.request('mcpx.transcript.read', params);
    } catch (error) {
      if (!isProtocolError(error, 'unavailable') && !isProtocolError(error, 'timeout')) throw error;
      this.failed(params.attemptId, error);
      return undefined;
    }
  }

  dispose(): void {
    this.owned.dispose();
    this.followed.clear();
  }

  private refreshAll(): void {
    for (const attemptId of this.followed.keys()) this.refresh(attemptId);
  }

  private refresh(attemptId: string): void {
    const followed = this.followed.get(attemptId);
    if (!followed) return;
    const before = followed.through;
    followed.through = this.wayTo(attemptId);
    if (followed.through === before) return;
    this.tell(before, attemptId, false).catch((error: unknown) => this.failed(attemptId, error));
    this.begin(followed, attemptId).catch((error: unknown) => {
      this.failed(attemptId, error);
      followed.through = undefined;
      const {clock} = this.options;
      this.owned.add(clock.schedule(RETRY_MS, () => this.refresh(attemptId), {background: true}));
    });
  }

  private async begin({through}: Followed, attemptId: string): Promise<void> {
    if (!through) return;
    await this.tell(through, attemptId, true);
    const {lastSeq} = await through.request('mcpx.transcript.read', {attemptId, fromSeq: 1, limit: 1});
    if (lastSeq > 0) this.received({attemptId, firstSeq: lastSeq + 1, events: []});
  }

  private async tell(through: Peer | undefined, attemptId: string, follow: boolean): Promise<void> {
    await through?.request('mcpx.transcript.follow', {attemptId, follow});
  }

  private wayTo(attemptId: string): Peer | undefined {
    const {attempts, agents, links, coordinator} = this.options;
    const followed = this.followed.get(attemptId);
    const agentId = attempts.get(attemptId)?.agentId ?? followed?.agentId;
    if (followed) followed.agentId = agentId;
    const owner = agentId === undefined ? undefined : agents.live(agentId)?.value.coordinator;
    return owner === undefined || owner === coordinator ? undefined : links.peer(owner);
  }

  private failed(attemptId: string, error: unknown): void {
    this.options.logger.debug('a transcript was not followed elsewhere', {attemptId, error});
  }
}
