/** Commands of plan files and of work that becomes one. What they do is in the bundle of the language, which is loaded when one is called. */
import type {CommandHandler, Services} from '../services.ts';
import {addTask} from './addTask.ts';
import {registerCommands} from './register.ts';

type Language = typeof import('../plan/language.ts');

export function registerPlanCommands(services: Services): void {
  const lazily =
    (run: (language: Language, argument: unknown) => Promise<unknown>): CommandHandler =>
    async argument =>
      run(await import('../plan/language.ts'), argument);
  registerCommands(services, {
    runPlan: lazily((language, plan) => language.runPlan(services, plan, 'run')),
    rehearsePlan: lazily((language, plan) => language.runPlan(services, plan, 'rehearse')),
    showPlanGraph: lazily((language, plan) => language.showPlanGraph(services, plan)),
    newPlan: lazily((language, folder) => language.newPlan(folder)),
    runGoal: lazily(language => language.runGoal(services)),
    addTask: session => addTask(services, session),
    runSelection: lazily(language => language.runSelection(services)),
  });
}
