/** Rolls a session back, to its start or to a synchronisation point: what that undoes is said before, and what became of it afterwards. */
import * as vscode from 'vscode';
import {
  canRollBack,
  type RollbackPreview,
  rollbackPoints,
  rollbackPreview,
} from '../../coordinator/client/report/rollbackPreview.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {commandId} from '../contributions.ts';
import type {Services} from '../services.ts';
import {confirm, type Offer, pickOne, workingToEnd} from './asking.ts';
import {chooseSession} from './choosing.ts';
import {registerCommands} from './register.ts';
import {sessionRows, sortedRows, wholeFleet} from './rows.ts';
import {headline} from './words.ts';

/** Of a list of names in a message. */
const NAMES = 8;

export function registerRollbackCommands(services: Services): void {
  registerCommands(services, {
    rollBackSession: (argument, point) => rollBackSession(services, argument, point),
  });
}

/** `given`: the name of a synchronisation point. */
async function rollBackSession(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Roll Back Session');
  const session = await chooseSession(services, argument, {
    title,
    fits: canRollBack,
    none: vscode.l10n.t('No session has anything to roll back.'),
  });
  const {tasks} = await sessionRows(services, session.id);
  const plan = await services.fleet.plans.read(session.plan);
  const syncPoint =
    typeof given === 'string' ? given : await choosePoint(plan, tasks, `${title}: ${session.name}`);
  await confirm(
    syncPoint === undefined
      ? vscode.l10n.t('Roll the session {0} back to its start?', session.name)
      : vscode.l10n.t('Roll the session {0} back to the point {1}?', session.name, syncPoint),
    previewText(session, rollbackPreview(plan, tasks, syncPoint)),
    title,
  );
  const {session: begun} = await services.link.requireClient().request('mcpx.orchestrate.session.end', {
    sessionId: session.id,
    mode: 'rollback',
    syncPoint,
  });
  const undone = await workingToEnd(vscode.l10n.t('Rolling back {0}', session.name), tell =>
    untilRolledBack(services, begun, tell),
  );
  tellOutcome(session, undone);
}

/** Undefined: the start. Not asked where the plan has no points. */
async function choosePoint(
  plan: Plan,
  tasks: readonly TaskRecord[],
  title: string,
): Promise<string | undefined> {
  const offer = (label: string, value: string | undefined): Offer<string | undefined> => {
    const {undone} = rollbackPreview(plan, tasks, value);
    return {
      label,
      description: countText(undone.length),
      detail: named(undone),
      value,
    };
  };
  const points = rollbackPoints(plan);
  if (points.length === 0) return undefined;
  return pickOne<string | undefined>(
    [
      offer(vscode.l10n.t('To the start'), undefined),
      ...points.map(name => offer(vscode.l10n.t('To the point {0}', name), name)),
    ],
    {title, none: ''},
  );
}

function previewText({result}: SessionRecord, {undone, compensated, stopped}: RollbackPreview): string {
  const {t} = vscode.l10n;
  return [
    stopped.length > 0 ? t('Stopped: {0}.', named(stopped)) : undefined,
    undone.length > 0
      ? t('Undone, the last first: {0}.', named(undone))
      : t('No task has succeeded that would be undone.'),
    compensated.length > 0 ? t('By commands of the plan: {0}.', named(compensated)) : undefined,
    t(
      'Shared memory gets what it had before; where others have written since, both values wait for a person.',
    ),
    result === undefined ? undefined : t('The result of the session is withdrawn.'),
    t('Your own branches and files stay as they are. Resume does the tasks again.'),
  ]
    .filter(line => line !== undefined)
    .join('\n');
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, NAMES).join(', ');
  return names.length > NAMES ? vscode.l10n.t('{0} and {1} more', shown, names.length - NAMES) : shown;
}

/** Resolves with what was undone. Rejects with `unavailable` when the connection goes: the coordinator goes on without us. */
async function untilRolledBack(
  services: Services,
  begun: SessionRecord,
  tell: (line: string) => void,
): Promise<readonly TaskRecord[]> {
  const {id, rollback} = begun;
  const opened = (await wholeFleet(services)).openSession(id);
  const {mirror} = opened;
  const listening: Disposable[] = [opened];
  try {
    return await new Promise((resolve, reject) => {
      let said = '';
      const look = (): void => {
        const row = mirror.rows.get(`session/${id}`);
        if (row?.kind !== 'session') return;
        // An earlier rollback of it may still be shown.
        if (row.session.rollback?.at !== rollback?.at) return;
        const undone = undoneBy(sortedRows(mirror.rows.values()).tasks, begun);
        if (FINAL_SESSION_STATES.has(row.session.state)) resolve(undone);
        const line = countText(undone.length);
        if (line !== said) tell(line);
        said = line;
      };
      listening.push(
        mirror.onChange(look),
        services.fleet.onChange(({part}) => {
          if (part === 'reset') reject(connectionGone());
        }),
      );
      look();
    });
  } finally {
    for (const each of listening) each.dispose();
  }
}

function connectionGone(): CoordinatorError {
  return new CoordinatorError('unavailable', vscode.l10n.t('the connection to the coordinator is gone'), {
    hint: vscode.l10n.t('The rollback goes on there; the tree of sessions tells its end.'),
  });
}

/** Of the plan's tasks, as the preview counts them. */
function undoneBy(tasks: readonly TaskRecord[], {rollback}: SessionRecord): TaskRecord[] {
  return tasks.filter(
    ({origin, rolledBack}) => origin === 'plan' && rolledBack && rolledBack.at >= (rollback?.at ?? 0),
  );
}

function countText(undone: number): string {
  return undone === 1 ? vscode.l10n.t('1 task is undone') : vscode.l10n.t('{0} tasks are undone', undone);
}

/** What could not be undone is said as a warning; the tasks keep it. */
function tellOutcome({id, name}: SessionRecord, undone: readonly TaskRecord[]): void {
  const show = vscode.l10n.t('Show Session');
  const message = vscode.l10n.t('{0} is rolled back: {1}.', name, countText(undone.length));
  const troubles = undone.flatMap(({id: taskId, rolledBack}) =>
    rolledBack?.trouble === undefined ? [] : [`${taskId}: ${headline(rolledBack.trouble)}.`],
  );
  const shown =
    troubles.length === 0
      ? vscode.window.showInformationMessage(message, show)
      : vscode.window.showWarningMessage([message, ...troubles.slice(0, NAMES)].join(' '), show);
  void shown.then(choice => {
    if (choice === show)
      void vscode.commands.executeCommand(commandId('openSession'), {kind: 'session', sessionId: id});
  });
}
