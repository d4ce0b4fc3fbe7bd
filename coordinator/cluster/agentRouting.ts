/**
 * Tells the hub the way to agents that are connected to other coordinators: each agent's live key says who has its socket. A command waits in the
 * hub's queue while the key, the link or the agent is on its way, and is sent again where it was cut.
 */
import type {Hub} from '../hub/hub.ts';
import type {AgentDirectory} from '../pool/agentDirectory.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {AgentElsewhere} from './agentElsewhere.ts';
import type {CoordinatorLinks} from './coordinatorLinks.ts';

export interface AgentRoutingOptions {
  readonly tenant: string;
  /** Ours. */
  readonly coordinator: string;
  readonly hub: Pick<Hub, 'attachElsewhere' | 'serveHere' | 'onAgentDisconnected'>;
  readonly agents: {
    readonly lives: Pick<AgentDirectory['lives'], 'onChange'>;
    all(): Iterable<{readonly id: string}>;
    live(agentId: string): {readonly value: {readonly coordinator: string}} | undefined;
  };
  readonly links: Pick<CoordinatorLinks, 'peer' | 'onChanged'>;
  readonly clock: Clock;
}

interface Route {
  readonly link: AgentElsewhere;
  readonly attached: Disposable;
}

export class AgentRouting implements Disposable {
  private readonly routes = new Map<string, Route>();
  private readonly owned = new DisposableStore();

  constructor(private readonly options: AgentRoutingOptions) {
    const {agents, links, hub} = options;
    this.owned.add(agents.lives.onChange(({key}) => this.route(key.slice(key.lastIndexOf('/') + 1))));
    this.owned.add(links.onChanged(() => this.routeAll()));
    // Its last word may have been about a coordinator that it left us for.
    this.owned.add(hub.onAgentDisconnected(({agentId}) => this.route(agentId, true)));
    this.routeAll();
  }

  dispose(): void {
    this.owned.dispose();
    for (const agentId of [...this.routes.keys()]) this.end(agentId);
  }

  private routeAll(): void {
    const known = new Set(this.routes.keys());
    for (const {id} of this.options.agents.all()) known.add(id);
    for (const agentId of known) this.route(agentId);
  }

  private route(agentId: string, anew = false): void {
    const {tenant, coordinator, hub, agents, links, clock} = this.options;
    const owner = agents.live(agentId)?.value.coordinator;
    const through = owner === undefined || owner === coordinator ? undefined : links.peer(owner);
    if (!anew && through !== undefined && this.routes.get(agentId)?.link.through === through) return;
    this.end(agentId);
    // We may have believed an older word while its connection was here already.
    if (owner === coordinator) hub.serveHere({tenant, agentId});
    if (owner === undefined || through === undefined) return;
    const link = new AgentElsewhere(agentId, owner, through, clock);
    this.routes.set(agentId, {link, attached: hub.attachElsewhere({tenant, agentId}, link)});
  }

  private end(agentId: string): void {
    const route = this.routes.get(agentId);
    if (!route) return;
    this.routes.delete(agentId);
    route.attached.dispose();
    route.link.end();
  }
}
