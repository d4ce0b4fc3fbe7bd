/** Which tasks may be completed from the result of an earlier one with identical inputs. Pure. */
import type {TaskSpecification} from './plan.ts';

interface Effects {
  readonly onLost: TaskSpecification['onLost'];
  readonly rollback?: {readonly compensate?: string | undefined} | undefined;
  /** Of a prompt. */
  readonly hubTools?: boolean | undefined;
  readonly gates: readonly {readonly type?: string | undefined}[];
}

/** Why the task never is although its plan asks for it, for a person; undefined when it may be. */
export function neverReused({onLost, rollback, hubTools, gates}: Effects): string | undefined {
  if (onLost !== 'rerun') return `"onLost: ${onLost}" says that running it has effects beyond its result`;
  if (rollback?.compensate !== undefined)
    return '"rollback.compensate" undoes effects that a result taken from elsewhere does not have';
  if (hubTools) return '"hubTools" let it read and do more than its result tells';
  if (gates.some(({type}) => type === 'approval')) return 'a person decides about each result of it';
  return undefined;
}

export function mayBeReused(spec: TaskSpecification): boolean {
  if (spec.cache !== true || spec.split !== undefined) return false;
  return neverReused({...spec, hubTools: spec.work.kind === 'prompt' && spec.hubTools}) === undefined;
}
