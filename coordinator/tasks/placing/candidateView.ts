/** What a strategy sees of an agent when a task is placed: one view that is pointed at agent after agent, so that looking costs nothing. */
import type {Prediction} from '../../balancing/performanceModel.ts';
import type {Candidate} from '../../balancing/strategy.ts';
import type {ClaudeCodeInstance} from '../../protocol/instance.ts';
import {assert} from '../../runtime/assert.ts';
import type {AgentNode, TaskNode} from '../fleet/fleet.ts';
import type {Inputs} from './inputs.ts';
import type {Learned} from './learned.ts';

export class CandidateView implements Candidate {
  private agent: AgentNode | undefined;

  constructor(
    private readonly task: TaskNode,
    private readonly inputs: Inputs,
    private readonly learned: Learned,
    private readonly now: number,
    agent?: AgentNode,
  ) {
    this.agent = agent;
  }

  /** The same view, of another agent. */
  of(agent: AgentNode): this {
    this.agent = agent;
    return this;
  }

  get instance(): ClaudeCodeInstance {
    const {record} = this.node;
    assert(record, 'a candidate has a record');
    return record.instance;
  }

  get running(): number {
    return this.node.attempts.size + this.node.reserved;
  }

  get slots(): number {
    return this.instance.metadata.maxConcurrentTasks;
  }

  get lastPlaced(): number {
    return this.node.lastPlaced;
  }

  get localInputs(): number {
    return this.inputs.localTo(this.node);
  }

  get nearBytes(): number {
    return this.inputs.nearBytes(this.node);
  }

  get farBytes(): number {
    return this.inputs.farBytes(this.node);
  }

  get warm(): boolean {
    return this.learned.isWarm(this.node, this.task.session, this.now);
  }

  get prediction(): Prediction {
    return this.learned.predict(this.node, this.task, this.now);
  }

  private get node(): AgentNode {
    assert(this.agent, 'a view is pointed at an agent first');
    return this.agent;
  }
}

/** What the view shows now, as a value that stays. */
export function snapshotOf(view: Candidate): Candidate {
  const {instance, running, slots, localInputs, lastPlaced, nearBytes, farBytes, warm, prediction} = view;
  return {instance, running, slots, localInputs, lastPlaced, nearBytes, farBytes, warm, prediction};
}
