/** What starts agents and ends them: the seam between how many there should be and where they run. */
import type {Event} from '../../runtime/emitter.ts';

/** How an agent gets in. */
export interface AgentDoor {
  readonly url: string;
  readonly token: string;
  /** Of the cluster's authority, where there is TLS. */
  readonly caPin: string | undefined;
}

export interface AgentProvider {
  readonly name: string;
  /** Somebody whom it started has ended, and nobody asked for it. */
  readonly onExit: Event<string>;
  /** Resolves when it has begun, which is before it has joined. Rejects with a `CoordinatorError` when nothing runs. */
  start(agentId: string): Promise<void>;
  /** Ends whatever is left of it; resolves when nothing is, also when there never was anything. */
  stop(agentId: string): Promise<void>;
  /** Undefined: it cannot tell. */
  isRunning(agentId: string): boolean | undefined;
  /** The coordinator ends. */
  dispose(): void;
}
