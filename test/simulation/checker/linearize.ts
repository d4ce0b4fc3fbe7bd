/**
 * Whether a concurrent history could have happened one operation at a time (Herlihy and Wing), for any sequential model.
 *
 * The naive way tries every order that real time allows. Here, as Wing and Gong search and as Lowe and Porcupine prune: an operation is placed
 * only while it is pending at the earliest return not yet passed, a configuration (operations placed, state) is searched once, and a read that
 * fits is placed at once, for no other choice could be better.
 *
 * An operation without an output has an unknown outcome: it may take effect at any moment after its call, or never.
 */

export interface Operation<I, O> {
  readonly id: number;
  readonly process: string;
  readonly input: I;
  /** Undefined: nobody saw how it ended. */
  readonly output: O | undefined;
  /** Positions in real time, each used once: one operation precedes another when it ended before the other's call. */
  readonly call: number;
  /** Infinity without an output. */
  readonly end: number;
}

export interface SequentialModel<S, I, O> {
  readonly initial: S;
  /**
   * The state after `input` in `state`, given that it answered `output`; undefined when it could not. Without an output: after whatever it
   * answered. Returns `state` itself when nothing changed.
   */
  step(state: S, input: I, output: O | undefined): S | undefined;
  /** Whether `input`, where it answered `output`, changed nothing, whatever the state. */
  isRead(input: I, output: O): boolean;
  /** Equal for equal states only. */
  key(state: S): string;
}

export type Verdict<S, I, O> =
  | {readonly kind: 'linearizable'; readonly order: readonly Operation<I, O>[]; readonly steps: number}
  | {
      readonly kind: 'violation';
      /** The most operations that could be placed, in order, and the state after them. */
      readonly longest: readonly Operation<I, O>[];
      readonly state: S;
      /** Had ended by then, and fits nowhere after `longest`. */
      readonly stuck: Operation<I, O>;
      readonly steps: number;
    }
  /** The search reached its limit. */
  | {readonly kind: 'undecided'; readonly steps: number};

const DEFAULT_MAX_STEPS = 2_000_000;

export function linearize<S, I, O>(
  model: SequentialModel<S, I, O>,
  operations: readonly Operation<I, O>[],
  maxSteps = DEFAULT_MAX_STEPS,
): Verdict<S, I, O> {
  return new Search(model, operations, maxSteps).run();
}

interface Frame<S, I, O> {
  readonly state: S;
  readonly candidates: readonly Operation<I, O>[];
  /** The next candidate to try. */
  at: number;
  /** What led here; undefined at the start. */
  readonly placed: Operation<I, O> | undefined;
  /** The operation that ends first of those that are left. */
  readonly deadline: Operation<I, O> | undefined;
}

class Search<S, I, O> {
  /** With an output, in order of call. */
  private readonly known: readonly Operation<I, O>[];
  private readonly unknown: readonly Operation<I, O>[];
  private readonly rank = new Map<Operation<I, O>, number>();
  private readonly taken = new Set<Operation<I, O>>();
  private readonly seen = new Set<string>();
  private readonly frames: Frame<S, I, O>[] = [];
  private longest: {order: Operation<I, O>[]; state: S; stuck: Operation<I, O> | undefined};
  private steps = 0;
  /** Everything in `known` before it is placed. */
  private low = 0;

  constructor(
    private readonly model: SequentialModel<S, I, O>,
    operations: readonly Operation<I, O>[],
    private readonly maxSteps: number,
  ) {
    const byCall = [...operations].sort((a, b) => a.call - b.call);
    this.known = byCall.filter(operation => operation.output !== undefined);
    this.unknown = byCall.filter(operation => operation.output === undefined);
    for (const [at, operation] of this.known.entries()) this.rank.set(operation, at);
    this.longest = {order: [], state: model.initial, stuck: undefined};
  }

  run(): Verdict<S, I, O> {
    this.enter(this.model.initial, undefined);
    for (;;) {
      const frame = this.frames.at(-1);
      if (!frame) break;
      if (this.low === this.known.length)
        return {kind: 'linearizable', order: this.order(), steps: this.steps};
      if (this.steps > this.maxSteps) return {kind: 'undecided', steps: this.steps};
      const operation = frame.candidates[frame.at];
      frame.at += 1;
      if (operation) this.tryPlace(frame, operation);
      else this.leave();
    }
    const {order, state, stuck} = this.longest;
    if (!stuck) return {kind: 'linearizable', order, steps: this.steps};
    return {kind: 'violation', longest: order, state, stuck, steps: this.steps};
  }

  private tryPlace(frame: Frame<S, I, O>, operation: Operation<I, O>): void {
    this.steps += 1;
    const next = this.model.step(frame.state, operation.input, operation.output);
    if (next === undefined) return;
    if (operation.output === undefined) {
      // Nobody needs an effect that is none.
      if (next === frame.state) return;
    } else if (this.model.isRead(operation.input, operation.output)) frame.at = frame.candidates.length;
    this.taken.add(operation);
    const low = this.low;
    this.advanceLow();
    const key = this.configuration(next);
    if (this.seen.has(key)) {
      this.taken.delete(operation);
      this.low = low;
      return;
    }
    this.seen.add(key);
    this.enter(next, operation);
  }

  private enter(state: S, placed: Operation<I, O> | undefined): void {
    const deadline = this.earliestEnd();
    const candidates: Operation<I, O>[] = [];
    for (let at = this.low; at < this.known.length; at++) {
      const operation = this.known[at];
      if (!operation || operation.call > (deadline?.end ?? Number.POSITIVE_INFINITY)) break;
      if (!this.taken.has(operation)) candidates.push(operation);
    }
    for (const operation of this.unknown) {
      if (operation.call > (deadline?.end ?? Number.POSITIVE_INFINITY)) break;
      if (!this.taken.has(operation)) candidates.push(operation);
    }
    this.frames.push({state, candidates, at: 0, placed, deadline});
  }

  private leave(): void {
    const deepest = this.frames.at(-1);
    if (deepest && (this.frames.length - 1 > this.longest.order.length || !this.longest.stuck))
      this.longest = {order: this.order(), state: deepest.state, stuck: deepest.deadline};
    const frame = this.frames.pop();
    if (!frame?.placed) return;
    this.taken.delete(frame.placed);
    this.low = Math.min(this.low, this.rank.get(frame.placed) ?? this.low);
  }

  private advanceLow(): void {
    for (let next = this.known[this.low]; next && this.taken.has(next); next = this.known[this.low])
      this.low += 1;
  }

  /** Of what is not placed, the operation that ended first: all that is placed before it must have been called by then. */
  private earliestEnd(): Operation<I, O> | undefined {
    let earliest: Operation<I, O> | undefined;
    for (let at = this.low; at < this.known.length; at++) {
      const operation = this.known[at];
      if (!operation || (earliest && operation.call > earliest.end)) break;
      if (!this.taken.has(operation) && (!earliest || operation.end < earliest.end)) earliest = operation;
    }
    return earliest;
  }

  /** The placed operations are all those before `low`, and few after it. */
  private configuration(state: S): string {
    let ahead = '';
    let left = this.taken.size - this.low;
    for (const operation of this.unknown) {
      if (left === 0) break;
      if (!this.taken.has(operation)) continue;
      ahead += `u${operation.call}`;
      left -= 1;
    }
    for (let at = this.low; left > 0; at++) {
      const operation = this.known[at];
      if (!operation || !this.taken.has(operation)) continue;
      ahead += `,${at}`;
      left -= 1;
    }
    return `${this.low}${ahead}|${this.model.key(state)}`;
  }

  private order(): Operation<I, O>[] {
    return this.frames.flatMap(frame => frame.placed ?? []);
  }
}
