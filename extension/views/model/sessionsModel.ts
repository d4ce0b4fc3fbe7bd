/** The tree of sessions: day, session, task (by state where there are many), attempt, tool call. Pure. */
import type {FleetChange} from '../../../coordinator/client/mirror/fleetMirror.ts';
import {attemptThatCounts} from '../../../coordinator/client/report/attemptThatCounts.ts';
import {isActive} from '../../../coordinator/client/report/sessionReport.ts';
import {parseAttemptId} from '../../../coordinator/protocol/ids.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {DisposableStore} from '../../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../../coordinator/runtime/emitter.ts';
import type {ActiveWork} from './activeWork.ts';
import {PAGE} from './drawing.ts';
import {type FleetSource, whenWhole} from './fleetRows.ts';
import {KeptDisk} from './keptDisk.ts';
import {
  attemptNodeId,
  dayNodeId,
  nodeRef,
  sessionNodeId,
  taskGroupId,
  taskNodeId,
  toolCallNodeId,
} from './nodeIds.ts';
import {OpenSession} from './openSession.ts';
import {type FollowTranscript, OpenTranscripts} from './openTranscripts.ts';
import type {IndexDirt} from './sessionIndex.ts';
import {SessionList} from './sessionList.ts';
import {dayNode, GROUP_ORDER, sessionNode, taskGroupNode} from './sessionNodes.ts';
import {attemptNode, taskNode, toolCallNode} from './taskNodes.ts';
import type {Dirt, TreeModel, TreeNode} from './treeModel.ts';
import {WaitingApprovals} from './waitingApprovals.ts';
import {dayOf, type Words} from './words.ts';

export interface SessionsOptions {
  readonly fleet: FleetSource;
  readonly work: ActiveWork;
  readonly follow: FollowTranscript;
  readonly words: Words;
}

export class SessionsModel implements TreeModel {
  private readonly lifetime = new DisposableStore();
  private readonly dirt = this.lifetime.add(new Emitter<Dirt>());
  private readonly list: SessionList;
  private readonly approvals: WaitingApprovals;
  private readonly kept: KeptDisk;
  private readonly transcripts: OpenTranscripts;
  private readonly sessions = new Map<string, OpenSession>();
  private today: string;

  readonly onDirty: Event<Dirt> = this.dirt.event;

  constructor(private readonly options: SessionsOptions) {
    const {fleet, work, follow, words} = options;
    const mirror = (): FleetSource['mirror'] => fleet.mirror;
    this.list = new SessionList(mirror, words);
    this.approvals = new WaitingApprovals(mirror);
    this.kept = new KeptDisk(mirror);
    this.today = dayOf(words.now(), words);
    this.transcripts = this.lifetime.add(
      new OpenTranscripts(follow, (attemptId, calls, added) =>
        this.tell([
          ...[...calls].map(id => toolCallNodeId(attemptId, id)),
          ...(added ? [attemptNodeId(attemptId)] : []),
        ]),
      ),
    );
    this.lifetime.add(fleet.onChange(change => this.follow(change)));
    // An overlap may be with an attempt of another task.
    this.lifetime.add(work.onChange(({attempts}) => this.attemptsChanged(attempts)));
  }

  children(id: string | undefined): readonly string[] {
    if (id === undefined) return this.list.dayKeys.map(dayNodeId);
    const ref = nodeRef(id);
    switch (ref?.kind) {
      case 'day':
        return this.list.sessionsOf(ref.day).map(sessionNodeId);
      case 'session':
        return this.tasksOf(ref.sessionId);
      case 'group':
        return (this.sessions.get(ref.sessionId)?.index.tasksIn(ref.state) ?? []).map(taskId =>
          taskNodeId(ref.sessionId, taskId),
        );
      case 'task':
        return this.belowTask(ref.sessionId, ref.taskId);
      case 'attempt':
        return (this.transcripts.calls(ref.attemptId)?.ids ?? []).map(callId =>
          toolCallNodeId(ref.attemptId, callId),
        );
      default:
        return [];
    }
  }

  node(id: string): TreeNode | undefined {
    const {fleet, words} = this.options;
    const ref = nodeRef(id);
    switch (ref?.kind) {
      case 'day': {
        const {length} = this.list.sessionsOf(ref.day);
        return length === 0 ? undefined : dayNode(id, ref.day, length, words);
      }
      case 'session': {
        const row = fleet.mirror?.session(ref.sessionId);
        if (!row) return undefined;
        const isInterrupted = this.list.isInterrupted(ref.sessionId);
        const waiting = this.approvals.ofSession(ref.sessionId);
        const keptBytes = this.kept.bytes(ref.sessionId);
        return sessionNode({session: row.session, isInterrupted, waiting, keptBytes}, words);
      }
      case 'group': {
        const count = this.sessions.get(ref.sessionId)?.index.count(ref.state) ?? 0;
        return count === 0 ? undefined : taskGroupNode(ref.sessionId, ref.state, count, words);
      }
      case 'task':
        return this.taskNode(ref.sessionId, ref.taskId);
      case 'attempt':
        return this.attemptNode(ref.attemptId);
      case 'tool': {
        const call = this.transcripts.calls(ref.attemptId)?.get(ref.callId);
        return call && toolCallNode(ref.attemptId, call, words);
      }
      default:
        return undefined;
    }
  }

  parent(id: string): string | undefined {
    const ref = nodeRef(id);
    switch (ref?.kind) {
      case 'session': {
        const day = this.list.day(ref.sessionId);
        return day === undefined ? undefined : dayNodeId(day);
      }
      case 'group':
        return sessionNodeId(ref.sessionId);
      case 'task': {
        const index = this.sessions.get(ref.sessionId)?.index;
        const task = index?.task(ref.taskId);
        if (index && task && index.size > PAGE) return taskGroupId(ref.sessionId, task.state);
        const parent = index?.parentOf(ref.taskId);
        return parent === undefined ? sessionNodeId(ref.sessionId) : taskNodeId(ref.sessionId, parent);
      }
      case 'attempt': {
        const parts = parseAttemptId(ref.attemptId);
        return parts && taskNodeId(parts.sessionId, parts.taskId);
      }
      case 'tool':
        return attemptNodeId(ref.attemptId);
      default:
        return undefined;
    }
  }

  open(id: string | undefined): Promise<void> | undefined {
    if (id === undefined) return whenWhole(this.options.fleet);
    const ref = nodeRef(id);
    if (ref?.kind === 'attempt') return this.transcripts.show(ref.attemptId);
    return ref?.kind === 'session' ? this.openSession(ref.sessionId) : undefined;
  }

  close(id: string): void {
    const ref = nodeRef(id);
    if (ref?.kind === 'attempt') this.transcripts.hide(ref.attemptId);
    if (ref?.kind === 'session') this.closeSession(ref.sessionId);
  }

  watched(isVisible: boolean): void {
    this.transcripts.watched(isVisible);
  }

  tick(): void {
    const {words, work} = this.options;
    const today = dayOf(words.now(), words);
    if (today !== this.today) {
      this.today = today;
      this.dirt.emit('all');
      return;
    }
    const became = [...this.list.updateAgents()].map(sessionNodeId);
    const running = work.all().flatMap(attempt => nodesOf(attempt));
    this.tell([...became, ...running]);
  }

  dispose(): void {
    for (const session of this.sessions.values()) session.dispose();
    this.lifetime.dispose();
  }

  private follow(change: FleetChange | {readonly part: 'reset'}): void {
    if (change.part === 'reset') {
      for (const session of this.sessions.values()) session.dispose();
      this.sessions.clear();
      this.transcripts.dispose();
      this.list.updateSessions('all');
      this.approvals.update();
      this.kept.update();
      this.dirt.emit('all');
    } else if (change.part === 'sessions') {
      for (const sessionId of [...this.sessions.keys()])
        if (!this.options.fleet.mirror?.session(sessionId)) this.closeSession(sessionId);
      const dirt = this.list.updateSessions(change.rows);
      if (dirt === 'all') this.dirt.emit('all');
      else this.tell([...[...dirt.days].map(dayNodeId), ...[...dirt.sessions].map(sessionNodeId)]);
    } else if (change.part === 'agents')
      this.tell([...this.list.updateAgents(), ...this.kept.update()].map(sessionNodeId));
    else
      this.tell(
        this.approvals
          .update()
          .flatMap(({approval: {sessionId, taskId, attemptId}}) => [
            sessionNodeId(sessionId),
            taskNodeId(sessionId, taskId),
            ...(attemptId === undefined ? [] : [attemptNodeId(attemptId)]),
          ]),
      );
  }

  private openSession(sessionId: string): Promise<void> | undefined {
    const {fleet} = this.options;
    const known = this.sessions.get(sessionId);
    if (known) return known.whole;
    if (!fleet.mirror?.session(sessionId)) return undefined;
    const session = new OpenSession(fleet.mirror, fleet.plans, sessionId, dirt =>
      this.sessionChanged(sessionId, dirt),
    );
    this.sessions.set(sessionId, session);
    return session.whole;
  }

  private closeSession(sessionId: string): void {
    this.sessions.get(sessionId)?.dispose();
    this.sessions.delete(sessionId);
  }

  private sessionChanged(sessionId: string, dirt: IndexDirt | 'all'): void {
    const index = this.sessions.get(sessionId)?.index;
    if (!index) return;
    const isGrouped = index.size > PAGE;
    const groups = (states: Iterable<(typeof GROUP_ORDER)[number]>): string[] =>
      isGrouped ? [...states].map(state => taskGroupId(sessionId, state)) : [];
    if (dirt === 'all') {
      const attempts = index.taskIds.flatMap(id => index.attemptsOf(id).map(each => attemptNodeId(each.id)));
      const tasks = index.taskIds.map(id => taskNodeId(sessionId, id));
      this.tell([sessionNodeId(sessionId), ...groups(GROUP_ORDER), ...tasks, ...attempts]);
      return;
    }
    this.tell([
      ...(dirt.added || (isGrouped && dirt.states.size > 0) ? [sessionNodeId(sessionId)] : []),
      ...groups(dirt.states),
      ...[...dirt.tasks].map(id => taskNodeId(sessionId, id)),
      ...[...dirt.attempts].map(attemptNodeId),
    ]);
  }

  private attemptsChanged(attempts: readonly AttemptRecord[]): void {
    const sessions = new Set(attempts.map(({sessionId}) => sessionId));
    this.tell([...sessions].flatMap(id => this.options.work.overlapping(id).flatMap(nodesOf)));
  }

  private tasksOf(sessionId: string): readonly string[] {
    const index = this.sessions.get(sessionId)?.index;
    if (!index) return [];
    if (index.size <= PAGE) return index.rootIds.map(id => taskNodeId(sessionId, id));
    return GROUP_ORDER.filter(state => index.count(state) > 0).map(state => taskGroupId(sessionId, state));
  }

  /** Its attempts, the newest first, then the tasks that are parts of it; where tasks are grouped by state, these are in their groups. */
  private belowTask(sessionId: string, taskId: string): readonly string[] {
    const index = this.sessions.get(sessionId)?.index;
    if (!index) return [];
    const attempts = index.attemptsOf(taskId).map(attempt => attemptNodeId(attempt.id));
    const parts = index.size > PAGE ? [] : index.partsOf(taskId);
    return [...attempts.reverse(), ...parts.map(id => taskNodeId(sessionId, id))];
  }

  private taskNode(sessionId: string, taskId: string): TreeNode | undefined {
    const index = this.sessions.get(sessionId)?.index;
    const task = index?.task(taskId);
    if (!index || !task) return undefined;
    const latest = attemptThatCounts(task, index.attemptsOf(taskId));
    return taskNode(
      {
        task,
        latest,
        specification: index.specification(taskId),
        isDelegated: index.isDelegated(taskId),
        parts: index.partsOf(taskId).flatMap(id => index.task(id) ?? []),
        waitsFor: index.waitsFor(taskId),
        approval: this.approvals.ofTask(sessionId, taskId)?.approval,
        overlaps: latest && isActive(task.state) ? this.options.work.overlapsOf(latest) : [],
      },
      this.options.words,
    );
  }

  private attemptNode(attemptId: string): TreeNode | undefined {
    const parts = parseAttemptId(attemptId);
    if (!parts) return undefined;
    const {sessionId, taskId} = parts;
    const attempt = this.sessions
      .get(sessionId)
      ?.index.attemptsOf(taskId)
      .find(({id}) => id === attemptId);
    if (!attempt) return undefined;
    const approval = this.approvals.ofAttempt(sessionId, attemptId)?.approval;
    const overlaps = attempt.state === 'ended' ? [] : this.options.work.overlapsOf(attempt);
    return attemptNode({attempt, approval, overlaps}, this.options.words);
  }

  private tell(ids: readonly string[]): void {
    if (ids.length > 0) this.dirt.emit(new Set(ids));
  }
}

function nodesOf({id, sessionId, taskId}: AttemptRecord): string[] {
  return [attemptNodeId(id), taskNodeId(sessionId, taskId)];
}
