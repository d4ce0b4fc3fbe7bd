/** What an hour of changes leaves behind: in the models of the window's trees, and in the graph's page. */

import {changeAt, sessionRow, taskRows} from './fleetRows.ts';
import type {GraphStage} from './graphPage.ts';
import {OpenTree} from './treeRefresh.ts';

const CHANGES_A_SECOND = 10;
const HOUR_S = 3600;
/** Sessions of the hour, of which the newest stay. */
const SESSIONS = 60;
const KEPT = 10;
const TASKS = 500;
/** The first tenth fills caches and compiles: growth is counted from then on. */
const WARM_PART = 0.1;
const PAGE_BATCH = 500;
const CREATED = Date.UTC(2026, 0, 2);

export interface Growth {
  readonly beforeMiB: number;
  readonly afterMiB: number;
}

/** Needs `--expose-gc`. */
export async function replayTrees(collect: () => void): Promise<Growth> {
  const tree = new OpenTree();
  const {fleet} = tree;
  await tree.list(undefined);
  let beforeMiB = 0;
  for (let session = 0; session < SESSIONS; session++) {
    if (session === SESSIONS * WARM_PART + KEPT) beforeMiB = heapMiB(collect);
    const id = `s-${session}`;
    fleet.putSession(sessionRow(id, TASKS, CREATED + session));
    if (session >= KEPT) fleet.dropSession(`s-${session - KEPT}`);
    const seconds = HOUR_S / SESSIONS;
    for (let second = 0; second < seconds; second++) {
      for (let change = 0; change < CHANGES_A_SECOND; change++) {
        const {index, turn} = changeAt(second * CHANGES_A_SECOND + change, TASKS);
        fleet.put(id, taskRows(id, index, turn));
      }
      await tree.draw();
    }
  }
  const afterMiB = heapMiB(collect);
  tree.dispose();
  return {beforeMiB, afterMiB};
}

export async function replayPage(stage: GraphStage): Promise<Growth> {
  const messages = (CHANGES_A_SECOND * HOUR_S) / PAGE_BATCH;
  await stage.replay(messages * WARM_PART, PAGE_BATCH);
  const beforeMiB = await stage.heapMiB();
  await stage.replay(messages * (1 - WARM_PART), PAGE_BATCH);
  return {beforeMiB, afterMiB: await stage.heapMiB()};
}

function heapMiB(collect: () => void): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}
