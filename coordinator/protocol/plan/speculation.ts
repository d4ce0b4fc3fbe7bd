/** Which tasks may have a second attempt beside their first. Pure. */
import type {TaskSpecification} from './plan.ts';

/** Why the task never has one although its plan asks for it, for a person; undefined when it may. */
export function neverTwice({
  onLost,
  work,
  split,
}: Pick<TaskSpecification, 'onLost' | 'work' | 'split'>): string | undefined {
  if (onLost !== 'rerun') return `"onLost: ${onLost}" says that it must not run twice`;
  if (work.kind === 'prompt' && work.permissions.mode === 'ask')
    return 'a person answers its requests (permissions: ask), and would be asked twice';
  if (split?.files) return 'its first attempt divides it over files';
  return undefined;
}

export function mayRunTwice(spec: TaskSpecification): boolean {
  return spec.speculate === true && neverTwice(spec) === undefined;
}
