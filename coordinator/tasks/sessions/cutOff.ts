/** Removes what a lead left that ended on the way: tasks of a session that was never there, and tasks that are in no plan. */
import {tenantKeys} from '../../protocol/model/keys.ts';
import type {Term} from '../term/term.ts';
import {removeTasks} from './sessionStarts.ts';

const STEP = 100;

/** `halfStarted`: sessions whose tasks have records, and that have none themselves. `strays`: keys of tasks in no plan; emptied as they go. */
export async function removeCutOff(
  term: Term,
  halfStarted: readonly {readonly tenant: string; readonly id: string}[],
  strays: string[],
): Promise<void> {
  for (const {tenant, id} of halfStarted) {
    term.logger.info('the start of a session was cut off; its tasks are removed', {session: id});
    await removeTasks(term, tenantKeys(tenant), id);
  }
  if (strays.length > 0)
    term.logger.info('an addition of tasks was cut off; they are removed', {tasks: strays.length});
  while (strays.length > 0)
    await term.committer.run(
      [],
      strays.splice(0, STEP).map(key => ({kind: 'delete', key})),
    );
}
