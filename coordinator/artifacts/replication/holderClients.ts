/** How this coordinator speaks to the disks of the others: one client for each of them and tenant, and the list of what each has. */
import {createInterface} from 'node:readline';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import {ArtifactClient} from '../artifactClient.ts';
import {isSha256} from '../artifactName.ts';
import {type ArtifactEndpoint, ArtifactTransport} from '../artifactTransport.ts';
import type {Holder, Holders} from './holders.ts';
import {REPLICAS} from './replicaRequests.ts';
import type {ReplicationSettings} from './replicationSettings.ts';
import {Slots} from './slots.ts';

export interface HolderLink {
  readonly client: ArtifactClient;
  /** Bounds what is on the way to this holder. */
  readonly slots: Slots;
  /** The digests of everything that it has. Errors: `unavailable`. */
  digests(signal: AbortSignal): Promise<ReadonlySet<string>>;
}

type OpenLink = HolderLink & Disposable;

export class HolderClients implements Disposable {
  private readonly links = new Map<string, OpenLink>();
  private readonly following: Disposable;

  constructor(
    private readonly holders: Holders,
    private readonly services: {readonly clock: Clock; readonly random: Random; readonly logger: Logger},
    private readonly settings: ReplicationSettings,
  ) {
    this.following = holders.onChanged(() => this.forgetGone());
  }

  link(holder: Holder, tenant: string): HolderLink {
    const key = `${holder.id}/${tenant}`;
    let link = this.links.get(key);
    if (!link) {
      link = this.open(holder, tenant);
      this.links.set(key, link);
    }
    return link;
  }

  dispose(): void {
    this.following.dispose();
    for (const link of this.links.values()) link.dispose();
    this.links.clear();
  }

  private open(holder: Holder, tenant: string): OpenLink {
    let known = holder;
    const endpoint = (): ArtifactEndpoint => {
      // It may have come back at another address.
      known = this.holders.others().find(({id}) => id === holder.id) ?? known;
      const {baseUrl, ca} = known;
      return {baseUrl, ca, tenant, token: this.holders.credential(), prefix: REPLICAS};
    };
    const {transfer} = this.settings;
    const client = new ArtifactClient(endpoint, this.services, transfer);
    const transport = new ArtifactTransport(endpoint, this.settings.askMs);
    return {
      client,
      slots: new Slots(this.settings.pushes),
      digests: signal => digests(transport, holder, signal),
      dispose() {
        client.dispose();
        transport.dispose();
      },
    };
  }

  private forgetGone(): void {
    const present = new Set(this.holders.others().map(({id}) => id));
    for (const [key, link] of this.links) {
      if (present.has(key.slice(0, key.lastIndexOf('/')))) continue;
      link.dispose();
      this.links.delete(key);
    }
  }
}

async function digests(
  transport: ArtifactTransport,
  holder: Holder,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const response = await transport.send({method: 'GET', sha256: '', signal});
  const found = new Set<string>();
  let ended = false;
  try {
    if (response.statusCode === 200)
      for await (const line of createInterface({input: response}))
        if (isSha256(line)) found.add(line);
        else ended = line === '.';
  } catch (cause) {
    signal.throwIfAborted();
    throw new CoordinatorError('unavailable', `the list of ${holder.id}'s artifacts broke off`, {cause});
  } finally {
    response.destroy();
  }
  if (ended) return found;
  throw new CoordinatorError('unavailable', `${holder.id} gave no list of its artifacts`);
}
