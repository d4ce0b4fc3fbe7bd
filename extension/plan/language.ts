/** What the editor knows about plan files. A bundle of its own, loaded with the first plan: the parser is most of the extension's weight. */
import type {Services} from '../services.ts';
import {checkPlans} from './diagnostics.ts';
import {followDrafts} from './draftGraph.ts';
import {LivePlans} from './livePlans.ts';
import {offerCompletions} from './planCompletion.ts';
import {offerHovers} from './planHover.ts';
import {offerLenses} from './planLenses.ts';
import {offerNavigation} from './planNavigation.ts';

export {addedTask, suggestedId} from './addedTask.ts';
export {showPlanGraph} from './draftGraph.ts';
export {newPlan} from './newPlan.ts';
export {runGoal} from './runGoal.ts';
export {runPlan} from './runPlan.ts';
export {runSelection} from './runSelection.ts';

export function activateLanguage(services: Services): void {
  const live = new LivePlans(services);
  checkPlans(services);
  services.context.subscriptions.push(
    live,
    offerCompletions(services),
    offerHovers(live),
    offerLenses(live),
    offerNavigation(),
    followDrafts(services),
  );
}
