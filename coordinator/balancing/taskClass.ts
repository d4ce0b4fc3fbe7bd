/** The class of a task, by which its durations are learned: what the plan calls it, or else its kind of work, abilities and model. Pure. */
import {type CapabilityRequirement, proficiencyRank} from '../protocol/capability.ts';
import type {ClaudeCodeInstance} from '../protocol/instance.ts';
import {EXPECTED_MS} from '../protocol/plan/expectedDuration.ts';
import type {TaskSpecification} from '../protocol/plan/plan.ts';
import {neededBy} from './taskSigns.ts';

/** At most 128 characters; the same for tasks that are expected to be alike. */
export function taskClassOf(task: TaskSpecification): string {
  const {class: named, work, requires} = task;
  if (named !== undefined) return named;
  // A command tells by its program what it is.
  const needed = work.kind === 'prompt' ? neededBy(task) : (requires.capabilities ?? []);
  const parts = [work.kind, ...domainsOf(needed)];
  if (work.kind === 'prompt' && work.model !== undefined) parts.push(work.model);
  if (work.kind === 'run') parts.push(programOf(work.command));
  return parts.join(':').slice(0, 128);
}

/** What one attempt is expected to take before anything is learned, in ms; never longer than the task's timeout allows. */
export function estimateOf({estimateMs, work, timeoutMs}: TaskSpecification): number {
  return Math.min(estimateMs ?? EXPECTED_MS[work.kind], timeoutMs);
}

/** The declared proficiency for what the task needs, or seems to: -1 (basic) to 1 (specialist); 0 where it needs nothing. */
export function declaredProficiency(instance: ClaudeCodeInstance, task: TaskSpecification): number {
  const required = neededBy(task);
  if (required.length === 0) return 0;
  let total = 0;
  for (const {domain} of required) {
    let best = 0;
    for (const capability of instance.capabilities)
      if (capability.domain === domain) best = Math.max(best, proficiencyRank(capability.proficiencyLevel));
    total += best / 1.5 - 1;
  }
  return total / required.length;
}

export function domainsOf(capabilities: readonly CapabilityRequirement[]): string[] {
  return [...new Set(capabilities.map(({domain}) => domain))].sort();
}

/** The first word of a command that is no assignment, without its folder: "npm" of "CI=1 npm test". */
function programOf(command: string): string {
  const word = command.split(/\s+/).find(part => part !== '' && !/^[A-Za-z_]\w*=/.test(part)) ?? '';
  return word.slice(word.lastIndexOf('/') + 1).slice(0, 32);
}
