/**
 * Who is there: agents that have joined, as their heartbeats tell, those that announced themselves, and addresses at which somebody was found. It
 * answers from what it knows: checks of health run beside it.
 */
import type {AgentDirectory, KnownAgent} from '../pool/agentDirectory.ts';
import type {AgentLoad, ClaudeCodeInstance, DiscoveryCriteria} from '../protocol/instance.ts';
import {meetsCriteria} from '../protocol/meetsCriteria.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {FoundService} from './foundService.ts';
import type {HealthChecker, ServiceHealth} from './healthChecker.ts';
import type {ServiceRegistry} from './serviceRegistry.ts';

export interface AgentDiscoveryParts {
  readonly directory: AgentDirectory;
  readonly services: ServiceRegistry;
  readonly health: HealthChecker;
}

/** An announcement that is not repeated is forgotten after this, in ms. */
export const ANNOUNCEMENT_MS = 90_000;

export class AgentDiscoveryService implements Disposable {
  private readonly owned = new DisposableStore();

  constructor(private readonly parts: AgentDiscoveryParts) {
    const {services, health} = parts;
    this.owned.add(
      services.onChange(({kind, service: {url}}) => {
        if (kind === 'found' && isAddress(url)) health.watch(url);
        else if (!services.all().some(other => other.url === url)) health.forget(url);
      }),
    );
  }

  /** Healthy instances that meet the criteria, in order of id. Without a `status` among these, those that are there. */
  discoverAgents(criteria: DiscoveryCriteria = {}): ClaudeCodeInstance[] {
    const known = [...this.parts.directory.all()]
      .filter(agent => criteria.status !== undefined || isThere(agent))
      .filter(agent => meetsCriteria(agent.record.instance, criteria, loadOf(agent)))
      .map(({record}) => record.instance);
    const announced = this.parts.services
      .all()
      .flatMap(({instance, url}) => (instance && this.healthOf(url).kind !== 'unhealthy' ? [instance] : []))
      .filter(instance => !this.parts.directory.get(instance.id) && meetsCriteria(instance, criteria));
    return [...known, ...announced].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** An instance is at its endpoint, until that is not said again for `ttlMs`. It is asked at `/health`; it has not joined. */
  announceService(instance: ClaudeCodeInstance, ttlMs: number = ANNOUNCEMENT_MS): void {
    const {id, endpoint} = instance;
    const {version} = instance.metadata;
    this.parts.services.found(
      {kind: 'agent', id, url: endpoint, source: 'announced', version, instance},
      ttlMs,
    );
  }

  /** Every address that was found, with what came of the last check. */
  found(): {readonly service: FoundService; readonly health: ServiceHealth}[] {
    return this.parts.services.all().map(service => ({service, health: this.healthOf(service.url)}));
  }

  dispose(): void {
    this.owned.dispose();
  }

  private healthOf(url: string): ServiceHealth {
    return this.parts.health.healthOf(url);
  }
}

function isThere({record, live}: KnownAgent): boolean {
  return live !== undefined && record.instance.status !== 'unreachable';
}

function loadOf({record, running}: KnownAgent): Pick<AgentLoad, 'running' | 'slots'> {
  return {running, slots: record.instance.metadata.maxConcurrentTasks};
}

/** Of an agent that dials out the endpoint is a path. */
function isAddress(url: string): boolean {
  return /^wss?:/.test(url);
}
