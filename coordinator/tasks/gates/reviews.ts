/** Has gates of the kind `review` judged: by a task of its own on another agent than the author's, which waits until there is one. */
import type {GatedChange, GateEvidence, ReviewGate} from '../../protocol/gate.ts';
import type {AttemptSubject} from '../../protocol/model/task.ts';
import {reportedResult} from '../controls/steering.ts';
import type {AttemptNode} from '../fleet/fleet.ts';
import type {Conductor} from '../steps/conductor.ts';
import type {SubjectTasks} from '../subjects/subjectTasks.ts';
import type {Term} from '../term/term.ts';
import {reviewEvidence, reviewTask, reviewTaskIdOf} from './reviewTask.ts';

export class Reviews {
  constructor(
    private readonly term: Term,
    private readonly tasks: SubjectTasks,
    private readonly conductor: () => Pick<Conductor, 'steps'>,
  ) {}

  /** It was asked for before, by this lead or another. */
  isAsked({task, record}: AttemptNode, gate: ReviewGate): boolean {
    return this.tasks.find(task.session, reviewTaskIdOf(task.spec, gate), record.id) !== undefined;
  }

  /** `change` is not needed where it was asked for before. Rejects when the lead is lost; never settles when the term ends. */
  async judged(
    attempt: AttemptNode,
    gate: ReviewGate,
    change: GatedChange | undefined,
  ): Promise<GateEvidence> {
    const {clock} = this.term;
    const {task, record} = attempt;
    const began = clock.now();
    const result = reportedResult(record) ?? {summary: ''};
    const about: AttemptSubject = {
      taskId: task.spec.id,
      attemptId: record.id,
      gate: gate.name,
      from: change?.from,
      to: change?.to,
    };
    const spec = reviewTask(task.spec, gate, about, result);
    const review = await this.tasks.begin(task.session, {spec, origin: 'review', about, result});
    await this.conductor().steps.whenFinal(review);
    return reviewEvidence(gate, review, Math.max(0, clock.now() - began));
  }
}
