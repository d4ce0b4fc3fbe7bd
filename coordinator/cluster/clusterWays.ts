/** The ways of one coordinator to the others, put together: links, and what goes over them. */
import type {IncomingCall} from '../bridge/peer.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import type {Hub} from '../hub/hub.ts';
import type {Logger} from '../observability/logger.ts';
import type {AgentDirectory} from '../pool/agentDirectory.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import type {Store} from '../store/store.ts';
import {AgentRouting} from './agentRouting.ts';
import type {CoordinatorDirectory} from './coordinatorDirectory.ts';
import {CoordinatorLinks} from './coordinatorLinks.ts';
import {LeadRouting} from './leadRouting.ts';
import {TranscriptRelay} from './transcriptRelay.ts';

export interface ClusterWaysOptions {
  readonly store: Store;
  readonly tenant: string;
  /** Ours. */
  readonly coordinator: string;
  readonly version: string;
  readonly maxFrameBytes: number;
  readonly directory: CoordinatorDirectory;
  readonly hub: Hub;
  readonly agents: AgentDirectory;
  readonly attempts: LiveAttempts;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class ClusterWays implements Disposable {
  readonly lead: LeadRouting;
  readonly transcripts: TranscriptRelay;
  private readonly owned = new DisposableStore();

  constructor(options: ClusterWaysOptions) {
    const logger = options.logger.with({part: 'cluster'});
    const links = this.owned.add(
      new CoordinatorLinks({...options, logger, handler: call => this.serve(call)}),
    );
    this.owned.add(new AgentRouting({...options, links}));
    this.lead = new LeadRouting({...options, links});
    this.transcripts = this.owned.add(new TranscriptRelay({...options, links, logger}));
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** What another coordinator says unasked. */
  private serve(call: IncomingCall): Promise<object> {
    if (call.method !== 'mcpx.transcript.events')
      throw new ProtocolError('methodNotFound', `${call.method} is not served on this link`);
    this.transcripts.received(call.params);
    return Promise.resolve({});
  }
}
