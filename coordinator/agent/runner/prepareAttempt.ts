/** Gets an attempt its folder and its environment, or says why it cannot have them. */
import {isProtocolError} from '../../protocol/errors.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import type {Checkpoint} from '../../protocol/model/checkpoint.ts';
import {describeError} from '../../runtime/errors.ts';
import {type Continuation, openContinuation} from '../checkpoint/continuation.ts';
import {anewNotice, continuedNotice} from '../checkpoint/continuedText.ts';
import type {MergeConflict} from '../workspace/mergeInputs.ts';
import type {Workspace} from '../workspace/workspace.ts';
import type {PrepareRequest, PrepareResult, Workspaces} from '../workspace/workspaces.ts';
import type {Attempt} from './attempt.ts';
import {failed} from './attemptReport.ts';
import {attemptVariables} from './attemptVariables.ts';
import {handOver, type Inputs} from './handover.ts';
import type {RunnerServices} from './runnerServices.ts';
import {SecretMask} from './secretMask.ts';
import type {ResolvedSecrets} from './secrets.ts';
import {isAway, untilTaken} from './untilTaken.ts';

export interface ReadyAttempt {
  readonly workspace: Workspace;
  /** The exact environment of every process of the attempt. */
  readonly env: Readonly<Record<string, string>>;
  /** Left in the worktree for the work to resolve. */
  readonly conflicts: readonly MergeConflict[];
  /** The conversation that it goes on with; its files are in the worktree. */
  readonly continuation?: Continuation | undefined;
  /** What the tasks left that its own depends on, in plan order. */
  readonly inputs: Inputs['results'];
}

type Prepared = Extract<PrepareResult, {kind: 'ready'}>;

/** Faults of the hub's own in one step: after so many the attempt fails instead of waiting. */
export const MAX_HUB_FAULTS = 5;
const OUTPUT_CHARACTERS = 4000;

/** Throws when the work was stopped or its fence has fallen. */
export async function prepareAttempt(
  attempt: Attempt,
  services: RunnerServices,
): Promise<ReadyAttempt | AttemptReport> {
  const {assign} = attempt;
  const {signal} = attempt.work;
  try {
    const secrets = await services.secrets.resolve(assign.task.secrets);
    if (secrets.kind !== 'found') return withoutSecrets(secrets, services);
    attempt.mask = new SecretMask(secrets.values);
    const setupEnv = {...services.environment, ...assign.task.env, ...secrets.values};
    const inputs = await inputsOf(attempt, services);
    const {prepared, continuation} = await prepareContinuing(attempt, setupEnv, inputs, services);
    if ('outcome' in prepared) return prepared;
    const {workspace, conflicts} = prepared;
    const env = {
      ...services.environmentOf(attempt.slot),
      ...workspace.env,
      ...assign.task.env,
      ...secrets.values,
      ...attemptVariables(assign, services),
      ...services.memoryDoor.admit(assign),
      ...(await handOver(workspace, inputs)),
    };
    attempt.place = {workspace, env};
    for (const warning of prepared.warnings) attempt.transcript.note('warn', warning);
    if (prepared.setupReused)
      attempt.transcript.note('info', 'the outputs of the set-up commands were reused');
    return {workspace, env, conflicts, continuation, inputs: inputs.results};
  } catch (error) {
    signal.throwIfAborted();
    if (isProtocolError(error, 'staleFence')) throw error;
    services.logger.warn('an attempt could not be prepared', {attemptId: attempt.id, error});
    return failed('workspace', `the workspace could not be prepared: ${describeError(error)}`);
  }
}

function withoutSecrets(
  {kind, names}: Exclude<ResolvedSecrets, {kind: 'found'}>,
  {secrets, agentId}: RunnerServices,
): AttemptReport {
  if (kind === 'reserved')
    return failed('secrets', `no task may have ${names.join(', ')}: MCPX_ names are the agent's own`);
  const where = secrets.file ? `its environment or in ${secrets.file}` : 'its environment';
  const [what, they] = names.length === 1 ? ['secret', 'It has'] : ['secrets', 'They have'];
  return failed(
    'secrets',
    `agent ${agentId} does not know the ${what} ${names.join(', ')}. ${they} to be in ${where}.`,
  );
}

/** Where the unfinished work of an earlier attempt does not fit, the worktree is as for any other attempt, and the conversation stays behind too. */
async function prepareContinuing(
  attempt: Attempt,
  setupEnv: Readonly<Record<string, string>>,
  inputs: Inputs,
  services: RunnerServices,
): Promise<{prepared: Prepared | AttemptReport; continuation?: Continuation | undefined}> {
  const found = await openContinuation(attempt, services);
  if (found?.kind === 'continuation') {
    try {
      const prepared = await prepareWorkspace(attempt, setupEnv, inputs, services, found.checkpoint.work);
      if (!('outcome' in prepared)) attempt.transcript.note('info', continuedNotice(found.from));
      return {prepared, continuation: found};
    } catch (error) {
      attempt.work.signal.throwIfAborted();
      if (isProtocolError(error, 'staleFence') || !found.checkpoint.work) throw error;
      services.logger.warn('unfinished work cannot be restored', {attemptId: attempt.id, error});
      attempt.transcript.note('warn', anewNotice(found.from, describeError(error)));
    }
  } else if (found) attempt.transcript.note('warn', anewNotice(found.from, found.why));
  return {prepared: await prepareWorkspace(attempt, setupEnv, inputs, services)};
}

/** Nothing where there is nobody who would look at it. */
async function inputsOf(
  {assign: {attemptId, fence, workspace, task, recheck}, work: {signal}}: Attempt,
  {link}: RunnerServices,
): Promise<Inputs> {
  const isAlone = workspace.kind === 'none' && (task.dependsOn.length === 0 || task.work.kind === 'noop');
  if (recheck || isAlone) return {results: [], bundles: []};
  const options = {signal, maxFaults: MAX_HUB_FAULTS};
  return link.deliver('mcpx.coordinate.dependency.resolve', {attemptId, fence}, options);
}

async function prepareWorkspace(
  attempt: Attempt,
  setupEnv: Readonly<Record<string, string>>,
  inputs: Inputs,
  {workspaces, link, logger}: RunnerServices,
  unfinished?: Checkpoint['work'],
): Promise<Prepared | AttemptReport> {
  const {attemptId, sessionId, taskId, workspace, task, keep, recheck} = attempt.assign;
  const {signal} = attempt.work;
  if (recheck) return keptWorktree(recheck.attemptId, workspaces);
  const identity = {sessionId, taskId, attemptId, keep};
  if (workspace.kind === 'none')
    return {
      kind: 'ready',
      workspace: await workspaces.prepareEmpty(identity),
      conflicts: [],
      setupReused: false,
      warnings: [],
    };
  const request: PrepareRequest = {
    ...identity,
    repositoryId: workspace.repositoryId,
    base: workspace.base,
    inputs: workspace.inputs,
    bundles: inputs.bundles,
    onConflict: task.keepConflicts ? 'keepMarkers' : 'fail',
    include: workspace.include,
    setup: {commands: workspace.setup, env: setupEnv},
    unfinished: unfinished && {
      ...unfinished,
      bundles: unfinished.bundles.map(bundle => ({...bundle, prerequisites: []})),
    },
  };
  const prepared = await untilTaken(() => workspaces.prepare(request, signal), {
    link,
    logger,
    attemptId,
    signal,
    // Where this machine has no room another may have some.
    passing: isAway,
    maxFaults: MAX_HUB_FAULTS,
  });
  switch (prepared.kind) {
    case 'ready':
      return prepared;
    case 'conflict':
      return conflictReport(prepared.conflict);
    case 'setupFailed':
      return failed(
        'workspace',
        `the set-up command "${prepared.command}" ended with exit code ${prepared.code}\n${attempt.mask.text(prepared.output).slice(-OUTPUT_CHARACTERS)}`,
      );
  }
}

/** What is checked again is checked where it was made: its set-up and its ignored files count. */
async function keptWorktree(attemptId: string, workspaces: Workspaces): Promise<Prepared | AttemptReport> {
  const workspace = await workspaces.reopen(attemptId);
  if (!workspace)
    return failed(
      'workspace',
      `the worktree of attempt ${attemptId} is gone, so its gates cannot run again: retry the task`,
    );
  return {kind: 'ready', workspace, conflicts: [], setupReused: false, warnings: []};
}

function conflictReport({paths, ours, theirs, messages}: MergeConflict): AttemptReport {
  const shown = paths.slice(0, 1000).map(name => name.slice(0, 4096));
  const message = `the results of ${ours.taskId} and ${theirs.taskId} conflict in ${paths.slice(0, 20).join(', ')}\n${messages.join('\n')}`;
  const side = ({taskId, commit}: typeof ours) => ({taskId, commit});
  return failed('conflict', message, {paths: shown, ours: side(ours), theirs: side(theirs)});
}
