/** Add Task: asks what is to be done and after what, and gives it to a session that runs. */
import * as vscode from 'vscode';
import {USER_TASK_ID} from '../../coordinator/protocol/ids.ts';
import {FINAL_SESSION_STATES} from '../../coordinator/protocol/model/session.ts';
import type {Services} from '../services.ts';
import {askText, given, pickOne, told} from './asking.ts';
import {chooseSession} from './choosing.ts';
import {sessionRows} from './rows.ts';
import {taskStateText} from './words.ts';

export async function addTask(services: Services, argument: unknown): Promise<void> {
  const {t} = vscode.l10n;
  const session = await chooseSession(services, argument, {
    title: t('Add a Task to Which Session?'),
    fits: ({state}) => !FINAL_SESSION_STATES.has(state) && state !== 'ending',
    none: t('No session is running.'),
  });
  const title = t('Add a Task to {0}', session.name);
  const work = await pickOne(
    [
      {label: t('A prompt for Claude Code'), value: 'prompt' as const},
      {label: t('A shell command'), value: 'run' as const},
    ],
    {title, none: ''},
  );
  const text = await askText({
    title,
    prompt: work === 'prompt' ? t('What is Claude Code to do?') : t('Which command?'),
    validateInput: value => (value.trim() === '' ? t('Say what is to be done.') : undefined),
  });
  const {tasks} = await sessionRows(services, session.id);
  const own = tasks.filter(({id}) => USER_TASK_ID.test(id));
  const taken = new Set(tasks.map(({id}) => id));
  const {addedTask, suggestedId} = await import('../plan/language.ts');
  const id = await askText({
    title,
    prompt: t('What is the task called?'),
    value: suggestedId(text, taken),
    validateInput: value => idProblem(value, taken),
  });
  const dependsOn = await chooseDependencies(title, own);
  await services.link.requireClient().request('mcpx.session.control', {
    sessionId: session.id,
    action: {kind: 'addTasks', tasks: addedTask({id, work, text: text.trim(), dependsOn})},
  });
  told(t('{0} was added to {1}.', id, session.name));
}

function idProblem(id: string, taken: ReadonlySet<string>): string | undefined {
  const {t} = vscode.l10n;
  if (!USER_TASK_ID.test(id))
    return t('A task id is 1 to 64 letters, digits, "_" and "-", and starts with a letter or digit.');
  return taken.has(id) ? t('Another task is called {0}.', id) : undefined;
}

/** None is an answer too. */
async function chooseDependencies(
  title: string,
  tasks: Awaited<ReturnType<typeof sessionRows>>['tasks'],
): Promise<string[]> {
  if (tasks.length === 0) return [];
  const picked = await vscode.window.showQuickPick(
    tasks.map(({id, state}) => ({label: id, description: taskStateText(state)})),
    {
      title,
      canPickMany: true,
      placeHolder: vscode.l10n.t('After which tasks? None: at once.'),
      // What has been typed by now must not be lost to a page that opens.
      ignoreFocusOut: true,
    },
  );
  return given(picked).map(({label}) => label);
}
