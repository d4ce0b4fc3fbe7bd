/** Follows a session to its end and shows it on the way. */
import type {McpxClient} from '../../client/mcpxClient.ts';
import {readSession, type SessionReport} from '../../client/report/sessionReport.ts';
import type {ViewUpdate, ViewWatch} from '../../client/viewWatch.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import {FINAL_SESSION_STATES} from '../../protocol/model/session.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import type {Clock} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../runtime/disposable.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import {LiveProgress, PlainProgress, type Progress} from '../report/progress.ts';
import {terminalColors, wantsColors} from '../report/terminalText.ts';

export interface FollowOptions {
  readonly client: McpxClient;
  readonly sessionId: string;
  readonly plan: Plan | undefined;
  readonly clock: Clock;
  readonly io: CommandIo;
  /** Aborting leaves the session as it is: resolves with the last that was seen of it, if anything was. */
  readonly abandon: AbortSignal;
}

const LOOK_MS = 100;
/** Every look reads every row: the more there are, the longer the pause. */
const LOOK_MS_PER_ROW = 0.05;

/** Rejects when the coordinator will not have us any more: `unauthorized` or `incompatible`. */
export async function followSession(options: FollowOptions): Promise<SessionReport | undefined> {
  const {client, sessionId, plan, clock, abandon} = options;
  const owned = new DisposableStore();
  const progress = createProgress(options);
  const over = deferred<void>();
  const views: ViewWatch[] = [];
  let report: SessionReport | undefined;
  let pending: Disposable = noDisposable;
  let due = false;
  const look = (): void => {
    due = false;
    report = readSession(rowsOf(views), sessionId, plan);
    if (!report) return;
    progress.update(report);
    if (isOver(report.session)) over.resolve();
  };
  const noted = new Set<string>();
  const onUpdate = (update: ViewUpdate): void => {
    if (update.kind === 'failed' && !noted.has(update.error.message)) {
      noted.add(update.error.message);
      progress.note(`The view of the session fails and is tried again: ${update.error.message}`);
    }
    if (due) return;
    due = true;
    const rows = views.reduce((sum, view) => sum + view.rows.size, 0);
    pending = clock.schedule(LOOK_MS + rows * LOOK_MS_PER_ROW, look);
  };
  owned.add(
    client.onState(state => {
      if (state.kind === 'waiting' && isHopeless(state.error)) over.reject(state.error);
    }),
  );
  for (const selector of [
    {view: 'session', sessionId},
    {view: 'approvals', sessionId},
    {view: 'agents'},
  ] as const)
    views.push(owned.add(client.watch(selector, onUpdate)));
  const leave = (): void => over.resolve();
  abandon.addEventListener('abort', leave, {once: true});
  if (abandon.aborted) leave();
  try {
    await over.promise;
    return report;
  } finally {
    abandon.removeEventListener('abort', leave);
    pending.dispose();
    progress.stop();
    owned.dispose();
  }
}

function createProgress({io, clock}: FollowOptions): Progress {
  const colors = terminalColors(wantsColors(io.env, io.interactive));
  return io.interactive
    ? new LiveProgress(process.stdout, clock, colors)
    : new PlainProgress(text => io.stdout(text), clock);
}

function rowsOf(views: readonly ViewWatch[]) {
  return views.flatMap(view => [...view.rows.values()]);
}

/** A session whose budget is spent waits for a person: nobody is there to be waited for by a run. */
function isOver({state, pauseReason}: SessionReport['session']): boolean {
  return FINAL_SESSION_STATES.has(state) || (state === 'paused' && pauseReason === 'budget');
}

/** What no further try mends. */
function isHopeless(error: Error): boolean {
  return isCoordinatorError(error, 'unauthorized') || isProtocolError(error, 'incompatible');
}
