/**
 * Dials the agents that are found listening, as long as they are found or connected. A token is shown only to whom the pinned authority vouches
 * for, or on this machine.
 */
import type {Logger} from '../observability/logger.ts';
import type {AgentDirectory} from '../pool/agentDirectory.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {type FoundService, mayBeShownTokens} from './foundService.ts';
import type {ServiceRegistry} from './serviceRegistry.ts';

export interface FoundDialsOptions {
  readonly services: ServiceRegistry;
  readonly directory: AgentDirectory;
  readonly token: string;
  /** PEM of the authority behind agents' certificates. */
  readonly ca: string | undefined;
  readonly dial: (target: {url: string; token: string; agentId?: string; ca?: string}) => Disposable;
  readonly logger: Logger;
}

interface Dialled {
  readonly service: FoundService;
  readonly connection: Disposable;
  isGone: boolean;
}

export class FoundDials implements Disposable {
  private readonly dialled = new Map<string, Dialled>();
  private readonly owned = new DisposableStore();

  constructor(private readonly options: FoundDialsOptions) {
    const {services, directory} = options;
    this.owned.add(
      services.onChange(({kind, service}) => (kind === 'found' ? this.found(service) : this.gone(service))),
    );
    this.owned.add(directory.lives.onChange(() => this.dropGone()));
  }

  dispose(): void {
    this.owned.dispose();
    for (const {connection} of this.dialled.values()) connection.dispose();
    this.dialled.clear();
  }

  private found(service: FoundService): void {
    const {token, ca, dial, logger} = this.options;
    const {kind, source, url, id} = service;
    // Those of the static list were named by a person, who is obeyed elsewhere.
    if (kind !== 'agent' || source === 'announced' || source === 'static') return;
    const known = this.dialled.get(url);
    if (known) {
      known.isGone = false;
      return;
    }
    if (token === '' || !mayBeShownTokens(url, ca !== undefined)) {
      const why =
        token === ''
          ? 'MCPX_DIAL_TOKEN is not set'
          : '--dial-ca does not say whose certificate it should have';
      logger.info('an agent was found and is not dialled', {id, url, source, why});
      return;
    }
    // Only multicast names agents; whoever answers there must be the one that was named.
    const named = source === 'multicast' ? {agentId: id} : {};
    const connection = dial({url, token, ...named, ...(ca === undefined ? {} : {ca})});
    this.dialled.set(url, {service, connection, isGone: false});
    logger.info('an agent was found and is dialled', {id, url, source});
  }

  private gone({url}: FoundService): void {
    const known = this.dialled.get(url);
    if (!known || this.options.services.all().some(other => other.url === url)) return;
    known.isGone = true;
    this.dropGone();
  }

  /** Silence of its announcements is no reason to leave one that is connected. */
  private dropGone(): void {
    const {directory} = this.options;
    for (const [url, {service, connection, isGone}] of this.dialled) {
      if (!isGone || directory.get(service.id)?.live || this.hasLiveAt(url)) continue;
      connection.dispose();
      this.dialled.delete(url);
    }
  }

  private hasLiveAt(url: string): boolean {
    for (const {record, live} of this.options.directory.all())
      if (live && record.instance.endpoint === url) return true;
    return false;
  }
}
