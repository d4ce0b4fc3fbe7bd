/** Commands of plan files and of work that becomes one. What they do is in the bundle of the language, which is loaded when one is called. */
import type {DraftPages} from '../plan/draftGraph.ts';
import type {Services} from '../services.ts';
import {type CommandHandler, registerCommands} from './register.ts';

type Language = typeof import('../plan/language.ts');

/** Without `pages` there is no graph of a plan that does not run yet. */
export function registerPlanCommands(services: Services, pages?: DraftPages): void {
  const lazily =
    (run: (language: Language, argument: unknown) => Promise<unknown>): CommandHandler =>
    async argument =>
      run(await import('../plan/language.ts'), argument);
  registerCommands(services, {
    runPlan: lazily((language, plan) => language.runPlan(services, plan, 'run')),
    rehearsePlan: lazily((language, plan) => language.runPlan(services, plan, 'rehearse')),
    newPlan: lazily((language, folder) => language.newPlan(folder)),
    runGoal: lazily(language => language.runGoal(services, pages)),
    runSelection: lazily(language => language.runSelection(services)),
  });
  if (pages)
    registerCommands(services, {
      showPlanGraph: lazily((language, plan) => language.showPlanGraph(services, pages, plan)),
    });
}
