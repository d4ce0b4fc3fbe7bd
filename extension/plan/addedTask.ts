/** A task that a person adds to a session, as plans say it. Pure. */
import type {TaskSpecification} from '../../coordinator/protocol/plan/plan.ts';
import {resolvePlan} from '../../coordinator/protocol/plan/plan.ts';
import {PlanFile} from '../../coordinator/protocol/plan/schema.ts';

export interface AddedTask {
  readonly id: string;
  readonly work: 'prompt' | 'run';
  /** The prompt, or the command. */
  readonly text: string;
  readonly dependsOn: readonly string[];
}

/** With the defaults of any plan. Throws what the schema says of a bad id or text. */
export function addedTask({id, work, text, dependsOn}: AddedTask): TaskSpecification[] {
  const task = {id, [work]: text, ...(dependsOn.length === 0 ? {} : {dependsOn})};
  return resolvePlan(PlanFile.parse({name: id, tasks: [task]})).tasks;
}

const LONGEST_ID = 40;
const WORDS = 4;

/** An id that says what the text is about and that nobody has. */
export function suggestedId(text: string, taken: ReadonlySet<string>): string {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const stem = words.slice(0, WORDS).join('-').slice(0, LONGEST_ID).replace(/-$/, '') || 'added';
  for (let number = 1; ; number++) {
    const id = number === 1 ? stem : `${stem}-${number}`;
    if (!taken.has(id)) return id;
  }
}
