/** Quality gates in the Test Explorer: session, task, gate, each with its evidence; running one runs the gates of its task again. */
import * as vscode from 'vscode';
import type {GateEvidence} from '../coordinator/protocol/gate.ts';
import type {SessionRecord} from '../coordinator/protocol/model/session.ts';
import {FINAL_TASK_STATES} from '../coordinator/protocol/model/task.ts';
import {type Disposable, DisposableStore, noDisposable} from '../coordinator/runtime/disposable.ts';
import {describeError} from '../coordinator/runtime/errors.ts';
import {type GatedTask, gatedTasks} from './gateRows.ts';
import type {Services} from './services.ts';

/** Sessions that are listed; older ones are in the Sessions view. */
const MAX_SESSIONS = 100;
/** Sessions whose gates are followed at once. */
const MAX_OPEN = 8;
const REFRESH_MS = 500;

/** A session whose children somebody has looked at. */
interface Opened extends Disposable {
  readonly session: SessionRecord;
  /** Verdicts that are shown, by task. */
  readonly verdicts: Map<string, string>;
}

export function registerGates(services: Services): void {
  services.context.subscriptions.push(new Gates(services));
}

class Gates implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly controller = vscode.tests.createTestController('mcpx.gates', vscode.l10n.t('MCPX Gates'));
  private readonly opened = new Map<string, Opened>();
  /** Runs that wait for the next verdict of a task, by the id of its item. */
  private readonly waiting = new Map<string, vscode.TestRun>();
  private refreshing: Disposable = noDisposable;

  constructor(private readonly services: Services) {
    const {controller, lifetime} = this;
    lifetime.add(controller);
    controller.resolveHandler = item => this.resolve(item);
    controller.createRunProfile(
      vscode.l10n.t('Rerun'),
      vscode.TestRunProfileKind.Run,
      (request, token) => this.rerun(request, token),
      true,
    );
    lifetime.add(
      services.fleet.onChange(({part}) => {
        if (part === 'reset') this.forget();
        if (part === 'reset' || part === 'sessions') this.refreshLater();
      }),
    );
  }

  dispose(): void {
    this.forget();
    this.refreshing.dispose();
    this.lifetime.dispose();
  }

  private async resolve(item: vscode.TestItem | undefined): Promise<void> {
    if (!item) this.listSessions();
    else if (!item.parent && !this.opened.has(item.id)) await this.open(item);
  }

  private refreshLater(): void {
    this.refreshing.dispose();
    this.refreshing = this.services.clock.schedule(REFRESH_MS, () => this.listSessions());
  }

  private listSessions(): void {
    const sessions = this.services.fleet.mirror?.sessions.slice(0, MAX_SESSIONS) ?? [];
    const items = sessions.map(({session}, index) => {
      const item =
        this.controller.items.get(session.id) ?? this.controller.createTestItem(session.id, session.name);
      item.canResolveChildren = true;
      item.description = session.id;
      item.sortText = String(index).padStart(4, '0');
      return item;
    });
    this.controller.items.replace(items);
    for (const [id, opened] of this.opened)
      if (!this.controller.items.get(id)) {
        this.opened.delete(id);
        opened.dispose();
      }
  }

  /** Follows the session's gates from now on; of too many, the one that was opened first is let go. */
  private async open(item: vscode.TestItem): Promise<void> {
    const {fleet, clock} = this.services;
    const {mirror} = fleet;
    const session = mirror?.session(item.id)?.session;
    if (!session || !mirror) return;
    item.busy = true;
    try {
      const plan = await fleet.plans.read(session.plan);
      // Another coordinator meanwhile, or opened by a second look.
      if (fleet.mirror !== mirror || this.opened.has(item.id)) return;
      const held = mirror.openSession(session.id);
      const lifetime = new DisposableStore();
      lifetime.add(held);
      const opened: Opened = {session, verdicts: new Map(), dispose: () => lifetime.dispose()};
      let soon: Disposable = noDisposable;
      const show = (): void => {
        const tasks = [...held.mirror.rows.values()].flatMap(row => (row.kind === 'task' ? [row.task] : []));
        this.show(item, opened, gatedTasks(tasks, plan));
      };
      lifetime.add({dispose: () => soon.dispose()});
      lifetime.add(
        held.mirror.onChange(() => {
          soon.dispose();
          soon = clock.schedule(REFRESH_MS, show);
        }),
      );
      this.opened.set(item.id, opened);
      if (held.mirror.isWhole) show();
      this.evict();
      item.error = undefined;
    } catch (error) {
      item.error = describeError(error);
    } finally {
      item.busy = false;
    }
  }

  private evict(): void {
    const [oldest] = this.opened;
    if (!oldest || this.opened.size <= MAX_OPEN) return;
    const [id, opened] = oldest;
    this.opened.delete(id);
    opened.dispose();
  }

  private show(item: vscode.TestItem, {verdicts}: Opened, tasks: readonly GatedTask[]): void {
    const {controller} = this;
    const items = tasks.map((task, index) => {
      const id = `${item.id}/${task.taskId}`;
      const ofTask = item.children.get(id) ?? controller.createTestItem(id, task.title ?? task.taskId);
      ofTask.description = task.title === undefined ? task.state : `${task.taskId} · ${task.state}`;
      ofTask.sortText = String(index).padStart(6, '0');
      if (ofTask.children.size !== task.gates.length)
        ofTask.children.replace(task.gates.map(({name}) => controller.createTestItem(`${id}/${name}`, name)));
      return ofTask;
    });
    item.children.replace(items);
    // The next verdict may be word for word that of before.
    for (const {taskId, state} of tasks) if (!FINAL_TASK_STATES.has(state)) verdicts.delete(taskId);
    const news = tasks.filter(
      ({taskId, verdict, state}) =>
        verdict !== '' && FINAL_TASK_STATES.has(state) && verdicts.get(taskId) !== verdict,
    );
    for (const task of news) {
      verdicts.set(task.taskId, task.verdict);
      const ofTask = item.children.get(`${item.id}/${task.taskId}`);
      if (ofTask) this.publish(ofTask, task);
    }
  }

  private publish(ofTask: vscode.TestItem, {gates}: GatedTask): void {
    const run =
      this.waiting.get(ofTask.id) ??
      this.controller.createTestRun(new vscode.TestRunRequest([ofTask]), ofTask.label, false);
    this.waiting.delete(ofTask.id);
    for (const {name, evidence} of gates) {
      const gate = ofTask.children.get(`${ofTask.id}/${name}`);
      if (gate && evidence) tellVerdict(run, gate, evidence);
      else if (gate) run.skipped(gate);
    }
    run.end();
  }

  private async rerun({include}: vscode.TestRunRequest, token: vscode.CancellationToken): Promise<void> {
    const chosen = include ?? [...this.controller.items].map(([, item]) => item);
    const tasks = new Map(chosen.flatMap(item => tasksOf(item).map(task => [task.id, task] as const)));
    await Promise.all([...tasks.values()].map(task => this.rerunTask(task, token)));
  }

  private async rerunTask(ofTask: vscode.TestItem, token: vscode.CancellationToken): Promise<void> {
    const [sessionId = '', taskId = ''] = ofTask.id.split('/');
    this.waiting.get(ofTask.id)?.end();
    const run = this.controller.createTestRun(new vscode.TestRunRequest([ofTask]), ofTask.label, false);
    const gates = [...ofTask.children].map(([, gate]) => gate);
    for (const gate of gates) run.started(gate);
    this.waiting.set(ofTask.id, run);
    token.onCancellationRequested(() => {
      this.waiting.delete(ofTask.id);
      run.end();
    });
    try {
      await this.services.link
        .requireClient()
        .request('mcpx.session.control', {sessionId, action: {kind: 'rerunGates', taskId}});
    } catch (error) {
      this.waiting.delete(ofTask.id);
      for (const gate of gates) run.errored(gate, new vscode.TestMessage(describeError(error)));
      run.end();
    }
  }

  private forget(): void {
    for (const opened of this.opened.values()) opened.dispose();
    this.opened.clear();
    for (const run of this.waiting.values()) run.end();
    this.waiting.clear();
    this.controller.items.replace([]);
  }
}

/** Items of tasks that `item` stands for: it may be a session, a task or a gate. */
function tasksOf(item: vscode.TestItem): vscode.TestItem[] {
  if (!item.parent) return [...item.children].map(([, task]) => task);
  return item.parent.parent ? [item.parent] : [item];
}

function tellVerdict(run: vscode.TestRun, gate: vscode.TestItem, evidence: GateEvidence): void {
  const {passed, output, error, exitCode, durationMs, waived} = evidence;
  if (output !== '') run.appendOutput(output.replace(/\r?\n/g, '\r\n'), undefined, gate);
  if (waived) {
    run.appendOutput(`${vscode.l10n.t('Waived: {0}', waived.reason)}\r\n`, undefined, gate);
    run.skipped(gate);
  } else if (passed) run.passed(gate, durationMs);
  else if (error !== undefined) run.errored(gate, new vscode.TestMessage(error), durationMs);
  else {
    const text = output === '' ? vscode.l10n.t('exit code {0}', String(exitCode)) : output;
    run.failed(gate, new vscode.TestMessage(text), durationMs);
  }
}
