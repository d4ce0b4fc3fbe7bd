/** Registers under keys, each with read, write and compare-and-set: the classical model. Keys are independent, so each is checked alone. */
import {explain, type Words} from './explain.ts';
import {linearize, type Operation, type SequentialModel} from './linearize.ts';

export type RegisterInput =
  | {readonly kind: 'read'; readonly key: string}
  | {readonly kind: 'write'; readonly key: string; readonly value: string}
  | {readonly kind: 'cas'; readonly key: string; readonly from: string; readonly to: string};

/** '' is the value of a key that was never written. */
export type RegisterOutput =
  | {readonly kind: 'read'; readonly value: string}
  | {readonly kind: 'written'}
  | {readonly kind: 'cas'; readonly swapped: boolean};

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

export const registerModel: SequentialModel<string, RegisterInput, RegisterOutput> = {
  initial: '',
  step(value, input, output) {
    switch (input.kind) {
      case 'read':
        return output?.kind === 'read' && output.value !== value ? undefined : value;
      case 'write':
        return input.value;
      case 'cas': {
        const swaps = value === input.from;
        if (output?.kind === 'cas' && output.swapped !== swaps) return undefined;
        return swaps ? input.to : value;
      }
    }
  },
  isRead: (_input, output) => output.kind === 'read' || (output.kind === 'cas' && !output.swapped),
  key: value => value,
};

const WORDS: Words<string, RegisterInput, RegisterOutput> = {
  operation: ({id, process, input, output}) =>
    `${process} #${id} ${JSON.stringify(input)} -> ${output ? JSON.stringify(output) : 'unknown'}`,
  state: value => JSON.stringify(value),
};

/** Undefined when every key's history is linearizable, else why one is not. */
export function checkRegisters(
  operations: readonly RegisterOperation[],
  maxSteps?: number,
): string | undefined {
  const keys = new Set(operations.map(operation => operation.input.key));
  for (const key of keys) {
    const own = operations.filter(operation => operation.input.key === key);
    const {kind} = linearize(registerModel, own, maxSteps);
    if (kind === 'undecided') return `key ${key}: undecided within the limit`;
    if (kind === 'violation')
      return `key ${key}: ${explain(registerModel, own, WORDS, maxSteps)?.text ?? 'no order explains it'}`;
  }
  return undefined;
}
