/** Linearizability by its definition: every order of every choice of the unknown operations is tried. For a handful of operations. */
import type {Operation, SequentialModel} from './linearize.ts';

export function linearizableByForce<S, I, O>(
  model: SequentialModel<S, I, O>,
  operations: readonly Operation<I, O>[],
  state: S = model.initial,
): boolean {
  if (operations.every(({output}) => output === undefined)) return true;
  return operations.some(operation => {
    const rest = operations.filter(other => other !== operation);
    if (rest.some(other => other.end < operation.call)) return false;
    const next = model.step(state, operation.input, operation.output);
    return next !== undefined && linearizableByForce(model, rest, next);
  });
}
