/** The parts of one coordinator, made from its ground and told of each other. */
import {resultArtifacts} from '../artifacts/resultArtifacts.ts';
import {blobsOf, plansIn} from '../artifacts/textArtifacts.ts';
import {ClusterWays} from '../cluster/clusterWays.ts';
import {Approvals} from '../effects/approvals.ts';
import {AttemptEffects} from '../effects/attemptEffects.ts';
import {Checkpoints} from '../effects/checkpoints.ts';
import {LiveAttempts} from '../effects/liveAttempts.ts';
import {PathReports} from '../effects/pathReports.ts';
import {UsageReports} from '../effects/usageReports.ts';
import {SessionHistory} from '../history/sessionHistory.ts';
import type {Hub} from '../hub/hub.ts';
import {MCPXProtocol} from '../hub/mcpxProtocol.ts';
import {SharedMemory} from '../memory/sharedMemory.ts';
import {DialledAgents} from '../pool/dialledAgents.ts';
import {DEFAULT_TENANT} from '../protocol/ids.ts';
import {TokenExpiry} from '../security/tokenExpiry.ts';
import type {AgentChannel} from '../tasks/agentChannel.ts';
import {Lead} from '../tasks/lead.ts';
import type {LeadDuty} from '../tasks/leadDuty.ts';
import {TranscriptService} from '../transcripts/transcriptService.ts';
import {VERSION} from '../version.ts';
import type {Ground} from './ground.ts';
import {leadSettingsOf} from './leadSettingsOf.ts';
import {makeAgents} from './makeAgents.ts';
import {makeDiscovery} from './makeDiscovery.ts';
import {memoryPast} from './memoryPast.ts';
import type {Services} from './services.ts';
import {watchedChannel} from './watchedChannel.ts';

const HOUSEKEEPING_MS = 3_600_000;

/** `url` is known once the hub listens. */
export function makeServices(ground: Ground, hub: Hub, url: () => string): Services {
  const {options, data, store, authority, artifacts, tokens, attemptTokens} = ground;
  const {fences, audit, coordinators, owned} = ground;
  const {clock, logger, settings} = options;
  const {coordinator} = data.identity;
  const common = {store, tenant: DEFAULT_TENANT, clock, logger};
  const attempts = owned.add(new LiveAttempts(common));
  const usage = owned.add(new UsageReports({fences, attempts, clock, logger}));
  const paths = owned.add(new PathReports({fences, attempts, clock, logger}));
  const blobs = blobsOf(artifacts.tenant(DEFAULT_TENANT));
  const transcripts = owned.add(
    new TranscriptService({fences, attempts, blobs, usage, paths, clock, logger}),
  );
  const flushTranscript = (attemptId: string) => transcripts.flush(attemptId);
  const {duties, ...fleet} = makeAgents({
    ...ground,
    tenant: DEFAULT_TENANT,
    clock,
    logger,
    attempts,
    url,
    lead: () => lead,
  });
  const {agents, breakers} = fleet;
  const history = new SessionHistory({
    ...common,
    blobs,
    principal: `coordinator:${coordinator}`,
    settings: {
      sealIntervalMs: settings.historySealMs,
      maxLagRevisions: Math.max(1, Math.floor(settings.historyRevisions / 4)),
    },
  });
  const expiry = new TokenExpiry({tokens, tenant: DEFAULT_TENANT, clock, logger, periodMs: HOUSEKEEPING_MS});
  const lead = makeLead(ground, watchedChannel(hub.agentChannel(DEFAULT_TENANT), breakers), [
    ...[history.journal, expiry, ...duties],
  ]);
  return {
    store,
    hub,
    ...fleet,
    lead,
    discovery: makeDiscovery({options, hub, agents, coordinator, clock, logger, owned}),
    protocol: new MCPXProtocol({
      channel: hub.agentChannel(DEFAULT_TENANT),
      dispatch: (call, caller) => hub.dispatch(call, caller),
      principal: {id: `coordinator:${coordinator}`, tenant: DEFAULT_TENANT, role: 'coordinator'},
    }),
    dialled: owned.add(
      new DialledAgents({
        ...{...common, coordinatorId: coordinator, directory: agents, audit},
        dial: target => hub.dial({...target, tenant: DEFAULT_TENANT}),
      }),
    ),
    effects: new AttemptEffects({fences, clock, logger, flushTranscript}),
    checkpoints: new Checkpoints({fences, clock}),
    memory: owned.add(
      new SharedMemory({
        ...{fences, attempts, tenant: DEFAULT_TENANT, clock, audit, logger},
        instanceId: coordinator,
        readPast: memoryPast(history),
      }),
    ),
    approvals: owned.add(new Approvals({fences, attempts, audit, clock, logger})),
    usage,
    transcripts,
    history,
    attempts,
    tokens,
    attemptTokens,
    coordinators,
    ways: owned.add(
      new ClusterWays({
        ...{...common, coordinator, hub, agents, attempts, random: options.random},
        ...{directory: coordinators, version: VERSION, maxFrameBytes: settings.maxFrameBytes},
      }),
    ),
    identity: {coordinator, startedAt: clock.wallNow(), authorityPin: authority?.pin, url},
  };
}

/** `duties` are what one coordinator of the cluster does; whatever else is here each does for what is its own: disk, sockets, agents. */
function makeLead(
  {options, data, store, artifacts, audit}: Ground,
  channel: AgentChannel,
  duties: readonly LeadDuty[],
): Lead {
  const {clock, random, logger, settings} = options;
  return new Lead({
    store,
    channel,
    plans: plansIn(artifacts),
    results: resultArtifacts(artifacts),
    auditedTxn: (txn, {principal, ...entry}) =>
      audit.auditedTxn(txn, {
        ...entry,
        principal: {id: principal, tenant: entry.tenant, role: 'coordinator'},
      }),
    clock,
    random,
    logger: logger.with({part: 'lead'}),
    coordinator: data.identity.coordinator,
    ...leadSettingsOf(settings),
    duties,
  });
}
