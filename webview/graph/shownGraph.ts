/**
 * What a graph page is about: a session, live or as it was, or a plan that has not run. Follows its topics, and says when tasks changed and when the
 * graph has another shape. Layout, drawing and words are the page's.
 */
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {type Disposable, noDisposable} from '../../coordinator/runtime/disposable.ts';
import type {PageFeed} from '../feed/pageFeed.ts';
import {type Dirty, RowStore} from '../feed/rowStore.ts';
import type {PageState} from '../messages.ts';
import {addedTo, buildGraph, type Graph} from './graphModel.ts';
import {LiveTasks} from './liveTasks.ts';

export type GraphState = Extract<PageState, {page: 'graph' | 'draft'}>;

export interface ShownGraphEvents {
  /** It has another shape, and needs a layout. */
  reshaped(graph: Graph): void;
  /** These may look different; the shape is as it was. */
  changed(taskIds: Iterable<string>): void;
  /** Rows came. */
  told(): void;
  /** There is no plan to be had: `trouble` says why. */
  troubled(): void;
}

export class ShownGraph implements Disposable {
  live = new LiveTasks('');
  /** Rows as they were, instead of those that are. */
  past: ReadonlyMap<string, Row> | undefined;
  plan: Plan | undefined;
  graph: Graph | undefined;
  rows: RowStore | undefined;
  private planTrouble: string | undefined;
  private following: Disposable = noDisposable;
  private shape = '';
  /** What the graph was built from. */
  private drawnPlan: Plan | undefined;
  private added = '';

  constructor(private readonly events: ShownGraphEvents) {}

  /** Why there is nothing to show, for a person. */
  get trouble(): string | undefined {
    return this.planTrouble ?? this.rows?.failure;
  }

  /** The store has been asked, and knows no such session. */
  get isGone(): boolean {
    return this.rows?.revision !== undefined && !this.live.session;
  }

  dispose(): void {
    this.following.dispose();
  }

  /** The next graph needs a layout, whatever its shape. */
  forgetShape(): void {
    this.shape = '';
  }

  follow(state: GraphState, feed: PageFeed): void {
    this.following.dispose();
    this.plan = undefined;
    this.graph = undefined;
    this.rows = undefined;
    this.shape = '';
    if (state.page === 'draft') {
      this.live = new LiveTasks('');
      this.following = feed.followDraft(event => {
        if (event.kind === 'plan') this.usePlan(event.plan);
      });
      return;
    }
    const {sessionId} = state;
    this.live = new LiveTasks(sessionId);
    const rows = new RowStore(feed, {kind: 'session', sessionId}, dirty => this.onRows(dirty));
    this.rows = rows;
    const plan = feed.follow({kind: 'plan', sessionId}, event => {
      if (event.kind === 'plan') this.usePlan(event.plan);
      else if (event.kind === 'failed') {
        this.planTrouble = event.message;
        this.events.troubled();
      }
    });
    this.following = {
      dispose() {
        plan.dispose();
        rows.dispose();
      },
    };
  }

  /** All rows are read again; call it when `past` is another. */
  refresh(): void {
    this.onRows('all');
  }

  private usePlan(plan: Plan): void {
    this.plan = plan;
    this.planTrouble = undefined;
    this.reshape();
  }

  private onRows(dirty: Dirty): void {
    if (!this.rows || (this.past && dirty !== 'all')) return;
    const {changed, reshaped} = this.live.apply(this.past ?? this.rows.rows, dirty);
    if (reshaped) this.reshape();
    else this.events.changed(changed);
    this.events.told();
  }

  /** Tasks came or went, or the plan arrived. */
  private reshape(): void {
    // Rows before their plan would be drawn as tasks without edges.
    if (!this.plan) return;
    const added = addedTo(this.plan, this.live.tasks.values());
    const key = added.map(({id, mergeFor, about}) => `${id}<${mergeFor ?? about?.taskId ?? ''}`).join(';');
    if (this.graph && this.plan === this.drawnPlan && key === this.added) {
      this.events.changed(this.graph.indexOf.keys());
      return;
    }
    this.drawnPlan = this.plan;
    this.added = key;
    const graph = buildGraph(this.plan, added);
    const shape = graph.nodes
      .map(({id, title}, at) => `${id} ${title}<${graph.inputs[at]?.join()}`)
      .join(';');
    if (shape === this.shape && this.graph) {
      this.events.changed(graph.indexOf.keys());
      return;
    }
    this.shape = shape;
    this.graph = graph;
    this.events.reshaped(graph);
  }
}
