/** The parts of a coordinator that are about its agents: who is there, how they are, what became of their work, and how many are wanted. */
import type {CoordinatorOptions} from '../coordinatorOptions.ts';
import type {DataDirectory} from '../dataDirectory.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import type {Logger} from '../observability/logger.ts';
import {AccountPauses} from '../pool/accountPauses.ts';
import {AgentBreakers} from '../pool/agentBreakers.ts';
import {AgentDirectory} from '../pool/agentDirectory.ts';
import {AgentRegistry} from '../pool/agentRegistry.ts';
import {HistoryKeeper} from '../pool/historyKeeper.ts';
import type {AgentDoor} from '../pool/providers/agentProvider.ts';
import {PoolStore} from '../pool/scaling/poolStore.ts';
import type {Clock} from '../runtime/clock.ts';
import type {DisposableStore} from '../runtime/disposable.ts';
import type {AuditLog} from '../security/audit.ts';
import type {ClusterAuthority} from '../security/clusterAuthority.ts';
import type {TokenRegistry} from '../security/tokenRegistry.ts';
import type {Store} from '../store/store.ts';
import type {Lead} from '../tasks/lead.ts';
import {makePool} from './makePool.ts';

export interface AgentsGround {
  readonly options: CoordinatorOptions;
  readonly data: DataDirectory;
  readonly store: Store;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authority: ClusterAuthority | undefined;
  readonly tokens: TokenRegistry;
  readonly audit: AuditLog;
  readonly attempts: LiveAttempts;
  readonly owned: DisposableStore;
  readonly url: () => string;
  readonly lead: () => Lead;
}

const TOKEN_SECONDS = 366 * 86_400;

export function makeAgents(ground: AgentsGround) {
  const {options, data, store, tenant, clock, logger, audit, attempts, owned, lead} = ground;
  const {settings} = options;
  const common = {store, tenant, clock, logger};
  const agents = owned.add(new AgentDirectory({...common, attempts}));
  const breakers = owned.add(new AgentBreakers(logger));
  const parts = {...common, coordinatorId: data.identity.coordinator, directory: agents, audit};
  const registry = owned.add(
    new AgentRegistry({...parts, breakers, settings: {leaseSeconds: settings.leaseSeconds}}),
  );
  const histories = new HistoryKeeper({
    ...parts,
    settings: {
      faults: settings.quarantineFaults,
      windowMs: settings.quarantineWindowMs,
      firstMs: settings.quarantineMs,
    },
  });
  const poolRecords = new PoolStore(parts);
  const scaler = makePool({
    ...{...parts, records: poolRecords, registry, settings, lead, folder: data.root},
    surroundings: options.pool,
    door: poolDoor(ground),
    logger: logger.with({part: 'pool'}),
  });
  if (scaler) owned.add(scaler);
  return {
    agents,
    breakers,
    registry,
    poolRecords,
    pauses: new AccountPauses({...common, directory: agents}),
    duties: scaler ? [histories, scaler] : [histories],
  };
}

/** For what is started elsewhere a token of its own; on this machine everybody who may read the endpoint has one. */
function poolDoor({options, data, authority, tokens, tenant, url}: AgentsGround): () => Promise<AgentDoor> {
  let minted: Promise<string> | undefined;
  const mint = async (): Promise<string> => {
    const {coordinator} = data.identity;
    const principal = {id: `coordinator:${coordinator}`, tenant, role: 'coordinator' as const};
    const {token} = await tokens.create({
      tenant,
      role: 'agent',
      ttlSeconds: TOKEN_SECONDS,
      label: 'pool',
      principal,
    });
    return token;
  };
  return async () => {
    if (options.settings.poolProvider === 'localProcesses')
      return {url: url(), token: data.identity.agentToken, caPin: authority?.pin};
    minted ??= mint();
    return {url: url(), token: await minted, caPin: authority?.pin};
  };
}
