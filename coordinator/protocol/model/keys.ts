/** Where each record lives in the store. The tenant is in every key. */
import {parseAttemptId} from '../ids.ts';

const ROOT = 't/';

/** Keys that belong to the installation, not to a tenant. */
export const SYSTEM_KEYS = {
  lead: 'sys/lead',
  hubTime: 'sys/hubTime',
  clusterAuthority: 'sys/ca',
  /** What coordinators prove themselves to each other with. */
  clusterSecret: 'sys/clusterSecret',
  /** Hashes of the tokens that a coordinator keeps in its data directory, for the others to know. */
  fixedTokens: 'sys/fixedTokens/',
  /** Agents that a coordinator dials, by coordinator, tenant and agent. */
  dialled: 'sys/dialled/',
  /** One for each that lives, held by its lease. */
  coordinators: 'sys/coordinators/',
} as const;

export const ALL_TENANTS_PREFIX = ROOT;

/** Key builders of one tenant. Prefixes end with a slash. */
export function tenantKeys(tenant: string) {
  const base = `${ROOT}${tenant}/`;
  return {
    base,
    agents: `${base}agents/`,
    agent: (agentId: string) => `${base}agents/${agentId}`,
    /** Held by the agent's lease: gone when the agent has been silent for its TTL. */
    agentLive: (agentId: string) => `${base}agentLive/${agentId}`,
    agentLives: `${base}agentLive/`,
    /** What became of its attempts, by class of task. */
    agentHistories: `${base}agentHistory/`,
    agentHistory: (agentId: string) => `${base}agentHistory/${agentId}`,
    agentHistoryPosition: `${base}agentHistoryPosition`,
    /** The agents that the cluster starts by itself. */
    poolMembers: `${base}pool/`,
    poolMember: (agentId: string) => `${base}pool/${agentId}`,
    poolTarget: `${base}poolTarget`,
    poolDecision: `${base}poolDecision`,
    /** Which agents do the work, where a person chose. */
    mode: `${base}mode`,
    sessions: `${base}sessions/`,
    session: (sessionId: string) => `${base}sessions/${sessionId}`,
    tasks: (sessionId: string) => `${base}tasks/${sessionId}/`,
    task: (sessionId: string, taskId: string) => `${base}tasks/${sessionId}/${taskId}`,
    allAttempts: `${base}attempts/`,
    attempts: (sessionId: string) => `${base}attempts/${sessionId}/`,
    attempt: (attemptId: string) => {
      const parts = splitAttempt(attemptId);
      return `${base}attempts/${parts.sessionId}/${parts.taskId}/${parts.number}`;
    },
    /** Its create revision is the attempt's fence; deleting it ends the attempt's right to any effect. */
    live: (attemptId: string) => `${base}live/${attemptId}`,
    lives: `${base}live/`,
    lateUsages: `${base}lateUsage/`,
    lateUsage: (attemptId: string) => `${base}lateUsage/${attemptId}`,
    releases: `${base}releases/`,
    agentReleases: (agentId: string) => `${base}releases/${agentId}/`,
    release: (agentId: string, attemptId: string) => `${base}releases/${agentId}/${attemptId}`,
    refs: (sessionId: string) => `${base}refs/${sessionId}/`,
    ref: (sessionId: string, name: string) => `${base}refs/${sessionId}/${name}`,
    memory: (sessionId: string) => `${base}memory/${sessionId}/`,
    memoryKey: (sessionId: string, key: string) => `${base}memory/${sessionId}/${key}`,
    /** What was deleted last under a key: its history goes on before that. */
    memoryDeletions: (sessionId: string) => `${base}memoryDeleted/${sessionId}/`,
    memoryDeletion: (sessionId: string, key: string) => `${base}memoryDeleted/${sessionId}/${key}`,
    /** How long a value that ends has lived, now and then. */
    memoryLives: (sessionId: string) => `${base}memoryLived/${sessionId}/`,
    allMemoryLives: `${base}memoryLived/`,
    memoryConflicts: (sessionId: string) => `${base}memoryConflicts/${sessionId}/`,
    allMemoryConflicts: `${base}memoryConflicts/`,
    memoryConflict: (sessionId: string, conflictId: string) =>
      `${base}memoryConflicts/${sessionId}/${conflictId}`,
    /** How far the offline writes of an agent's run have been taken. */
    memoryMarks: (sessionId: string) => `${base}memoryMarks/${sessionId}/`,
    memoryMark: (sessionId: string, agentId: string, incarnation: string) =>
      `${base}memoryMarks/${sessionId}/${agentId}/${incarnation}`,
    memoryPolicy: `${base}memoryPolicy`,
    approvals: (sessionId: string) => `${base}approvals/${sessionId}/`,
    allApprovals: `${base}approvals/`,
    approval: (sessionId: string, approvalId: string) => `${base}approvals/${sessionId}/${approvalId}`,
    transcripts: (attemptId: string) =>
      `${base}transcripts/${splitAttempt(attemptId).sessionId}/${attemptId}/`,
    sessionTranscripts: (sessionId: string) => `${base}transcripts/${sessionId}/`,
    transcriptSegment: (attemptId: string, firstSeq: number) =>
      `${base}transcripts/${splitAttempt(attemptId).sessionId}/${attemptId}/${String(firstSeq).padStart(10, '0')}`,
    histories: `${base}history/`,
    history: (sessionId: string) => `${base}history/${sessionId}/`,
    /** In order of the last revision that they cover, the changes that led there before the rows as they were then. */
    historySegment: (sessionId: string, kind: 'changes' | 'rows', revision: number) =>
      `${base}history/${sessionId}/${String(revision).padStart(16, '0')}.${kind}`,
    historyPosition: `${base}historyPosition`,
    checkpoints: (sessionId: string) => `${base}checkpoints/${sessionId}/`,
    /** Of the task's present conversation, while another attempt may go on with it. */
    checkpoint: (sessionId: string, taskId: string) => `${base}checkpoints/${sessionId}/${taskId}`,
    refusals: (sessionId: string) => `${base}refusals/${sessionId}/`,
    refusal: (attemptId: string, id: string) =>
      `${base}refusals/${splitAttempt(attemptId).sessionId}/${attemptId}/${id}`,
    spend: (day: string) => `${base}spend/${day}`,
    /** What placement has learned of agents and classes of tasks. */
    learned: `${base}learned/`,
    learnedPart: (part: number) => `${base}learned/${String(part).padStart(2, '0')}`,
    /** Results by a digest of what decided them. */
    cachedResults: `${base}cache/`,
    cachedResult: (key: string) => `${base}cache/${key}`,
    /** MCP servers behind the hub. */
    servers: `${base}servers/`,
    server: (name: string) => `${base}servers/${name}`,
    /** What logins at them have brought. Secret: read by coordinators alone. */
    serverCredentials: `${base}serverCredentials/`,
    serverCredential: (name: string) => `${base}serverCredentials/${name}`,
    /** Held by the coordinator that renews the tokens of a server. */
    serverRenewal: (name: string) => `${base}serverRenewals/${name}`,
    accounts: `${base}accounts/`,
    account: (account: string) => `${base}accounts/${account}`,
    tokens: `${base}tokens/`,
    token: (id: string) => `${base}tokens/${id}`,
    audit: `${base}audit/`,
    auditRecord: (writer: string, sequence: number) =>
      `${base}audit/${writer}/${String(sequence).padStart(12, '0')}`,
  } as const;
}

export type TenantKeys = ReturnType<typeof tenantKeys>;

function splitAttempt(attemptId: string): {sessionId: string; taskId: string; number: string} {
  const parts = parseAttemptId(attemptId);
  if (!parts) throw new TypeError(`not an attempt id: ${attemptId}`);
  return {...parts, number: String(parts.number).padStart(4, '0')};
}
