/**
 * What a task seems to need where its plan does not say: abilities by the words of its prompt or command and the files that these name. A guess
 * with its reasons, for placing by preference and for people; it never keeps a task from an agent. Pure.
 */
import type {TaskRequirements} from '../protocol/capability.ts';
import type {TaskSpecification} from '../protocol/plan/plan.ts';
import {estimateOf, taskClassOf} from './taskClass.ts';
import {neededBy, signsOf} from './taskSigns.ts';

export interface TaskAnalysis {
  /** As the plan says, with guessed abilities where it names none. */
  readonly requirements: TaskRequirements;
  /** Domains that were guessed, the likeliest first. */
  readonly guessed: readonly string[];
  readonly taskClass: string;
  readonly estimateMs: number;
  /** For people: what was found where. */
  readonly reasons: readonly string[];
}

export class TaskAnalyzer {
  analyze(task: TaskSpecification): TaskAnalysis {
    const {requires} = task;
    const stated = requires.capabilities ?? [];
    const about = {taskClass: taskClassOf(task), estimateMs: estimateOf(task)};
    if (stated.length > 0) {
      const names = stated.map(({domain}) => domain).join(', ');
      return {requirements: requires, guessed: [], ...about, reasons: [`The plan asks for ${names}.`]};
    }
    const found = signsOf(task);
    if (found.length === 0)
      return {requirements: requires, guessed: [], ...about, reasons: ['Nothing tells what it needs.']};
    return {
      requirements: {...requires, capabilities: [...neededBy(task)]},
      guessed: found.map(({domain}) => domain),
      ...about,
      reasons: found.map(
        ({domain, words}) => `It looks like ${domain}: ${words.map(word => `"${word}"`).join(', ')}.`,
      ),
    };
  }
}
