/** Starts a session from a plan of any size. */
import type {ArtifactClient} from '../artifacts/artifactClient.ts';
import type {SessionStart} from '../protocol/commands/session.ts';
import type {SessionRecord} from '../protocol/model/session.ts';
import type {Plan} from '../protocol/plan/plan.ts';
import type {McpxClient} from './mcpxClient.ts';

/** A longer plan does not fit into a message and travels as an artifact. */
const MAX_INLINE_PLAN = 1024 * 1024;
/** A plan of 100,000 tasks takes a while to be stored. */
const START_TIMEOUT_MS = 120_000;

export interface StartRequest extends Omit<SessionStart, 'plan'> {
  readonly plan: Plan;
}

/** Asked again after a cut: the id makes it one session. `signal` ends an upload; what is being asked is asked to its end. Errors: those of `mcpx.orchestrate.session.start` and of an upload. */
export async function startSession(
  client: Pick<McpxClient, 'request'>,
  artifacts: ArtifactClient,
  request: StartRequest,
  signal?: AbortSignal,
): Promise<SessionRecord> {
  const text = JSON.stringify(request.plan);
  const plan =
    text.length <= MAX_INLINE_PLAN
      ? request.plan
      : {artifact: (await artifacts.upload(Buffer.from(text), signal)).sha256};
  const {session} = await client.request(
    'mcpx.orchestrate.session.start',
    {...request, plan},
    {retry: true, timeoutMs: START_TIMEOUT_MS},
  );
  return session;
}
