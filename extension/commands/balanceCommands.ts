/** How the work of a session is shared out, changed while it runs: by which strategy agents are chosen, and attempts that are begun anew elsewhere. */
import * as vscode from 'vscode';
import {LOAD_BALANCING_STRATEGIES, LoadBalancingStrategyName} from '../../coordinator/protocol/context.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {Services} from '../services.ts';
import {targetOf} from '../target.ts';
import {askText, type Offer, pickOne, told, working} from './asking.ts';
import {chooseSession, chooseTask} from './choosing.ts';
import {registerCommands} from './register.ts';
import {isUnfinished} from './sessionCommands.ts';

/** Of a session, or of one of its tasks alone. */
interface Shared {
  readonly session: SessionRecord;
  readonly taskId: string | undefined;
  readonly name: string;
  /** Its strategy now. */
  readonly strategy: string;
}

export function registerBalanceCommands(services: Services): void {
  registerCommands(services, {
    setStrategy: (argument, strategy) => setStrategy(services, argument, strategy),
    rebalanceSession: argument => rebalance(services, argument),
  });
}

async function setStrategy(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Change Strategy');
  const {session, taskId, name, strategy: before} = await chooseShared(services, argument, title);
  const strategy = typeof given === 'string' ? given : await chooseStrategy(before, `${title}: ${name}`);
  await working(title, () =>
    services.link
      .requireClient()
      .request('mcpx.distribute.load.balance', {sessionId: session.id, taskId, strategy}),
  );
  told(vscode.l10n.t('{0} is placed by {1} from now on', name, strategy));
}

async function rebalance(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Rebalance Session');
  const {session, taskId, name} = await chooseShared(services, argument, title);
  const {moved} = await working(title, () =>
    services.link
      .requireClient()
      .request('mcpx.distribute.load.balance', {sessionId: session.id, taskId, rebalance: true}),
  );
  void vscode.window.showInformationMessage(
    moved.length === 0
      ? vscode.l10n.t('{0}: every attempt stays where it is; none takes far longer than expected.', name)
      : vscode.l10n.t('{0}: begun anew on other agents: {1}.', name, moved.join(', ')),
  );
}

async function chooseShared(services: Services, argument: unknown, title: string): Promise<Shared> {
  const target = targetOf(argument);
  const session = await chooseSession(services, target, {
    title,
    fits: isUnfinished,
    none: vscode.l10n.t('No session is unfinished.'),
  });
  if (target?.kind !== 'task')
    return {session, taskId: undefined, name: session.name, strategy: session.strategy};
  const task = await chooseTask(services, target, {title, fits: () => true, none: ''});
  const {tasks} = await services.fleet.plans.read(session.plan);
  const planned = tasks.find(({id}) => id === task.id)?.strategy;
  const name = `${session.name} / ${task.id}`;
  return {session, taskId: task.id, name, strategy: task.strategy ?? planned ?? session.strategy};
}

/** Whoever embeds the coordinator may have strategies of its own: these are given by name. */
async function chooseStrategy(before: string, title: string): Promise<string> {
  const {t} = vscode.l10n;
  const details: Readonly<Record<(typeof LOAD_BALANCING_STRATEGIES)[number], string>> = {
    'capability-weighted': t('Who is best at it by declared proficiency, and has free slots'),
    'ai-optimized': t('Learns who is fast and reliable at which class of task'),
    'geographic-affinity': t('Who is near to its inputs and to the coordinator'),
    'round-robin': t('Each in turn'),
  };
  const offers = LOAD_BALANCING_STRATEGIES.map(
    (value): Offer<string | undefined> => ({
      label: value,
      description: value === before ? t('now') : undefined,
      detail: details[value],
      value,
    }),
  );
  const other = {label: t('Another, by its name…'), value: undefined};
  const picked = await pickOne<string | undefined>([...offers, other], {
    title,
    placeHolder: t('For what is placed from now on; it is {0} now.', before),
    none: '',
  });
  if (picked !== undefined) return picked;
  return askText({
    title,
    prompt: t('Name of a strategy that the coordinator knows'),
    value: before,
    validateInput: text =>
      LoadBalancingStrategyName.safeParse(text).success ? undefined : t('A name has 1 to 64 characters.'),
  });
}
