/** Ends what an earlier agent on the same state folder left running, before the new agent starts anything. */
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {isAlive, killTree} from './killTree.ts';
import {attemptMarkers} from './markers.ts';
import type {ProcessRecord, ProcessRecords} from './processRecords.ts';
import type {ProcessIdentity, ProcessTable} from './processTable.ts';
import {ProcessTree} from './processTree.ts';

export interface Leftover {
  readonly attemptId: string;
  /** Processes that could not be ended. */
  readonly survivors: readonly ProcessIdentity[];
}

/** Throws `conflict` when the agent that wrote the records still lives: two agents on one folder would end each other's work. */
export async function killLeftovers(
  records: ProcessRecords,
  table: ProcessTable,
  clock: Clock,
  ownPid: number,
): Promise<Leftover[]> {
  const all = records.all();
  for (const {agent, boot} of all) {
    if (agent.pid === ownPid || boot !== table.boot || !isAlive(table, agent)) continue;
    throw new CoordinatorError('conflict', `another agent (pid ${agent.pid}) works on this state folder`, {
      hint: 'Give each agent a state folder of its own, or stop the other agent.',
    });
  }
  const leftovers: Leftover[] = [];
  for (const group of byAttempt(all)) {
    const survivors = await killRecorded(group, table, clock, ownPid);
    leftovers.push({attemptId: group[0].attemptId, survivors});
    for (const record of group) records.remove(record);
  }
  return leftovers;
}

function killRecorded(
  group: readonly [ProcessRecord, ...ProcessRecord[]],
  table: ProcessTable,
  clock: Clock,
  ownPid: number,
): Promise<ProcessIdentity[]> {
  const own = table.row(ownPid);
  const tree = new ProcessTree(new Set(own ? [own.pgid, own.sid] : []));
  const roots = group.filter(record => record.boot === table.boot);
  for (const root of roots) tree.adopt(root);
  const [first] = group;
  const markers = attemptMarkers(first.agentRun, first.attemptId);
  return killTree({table, clock, spared: new Set([0, 1, ownPid])}, {tree, roots, markers});
}

function byAttempt(records: readonly ProcessRecord[]): [ProcessRecord, ...ProcessRecord[]][] {
  const groups = new Map<string, [ProcessRecord, ...ProcessRecord[]]>();
  for (const record of records) {
    const key = JSON.stringify([record.agentRun, record.attemptId]);
    const group = groups.get(key);
    if (group) group.push(record);
    else groups.set(key, [record]);
  }
  return [...groups.values()];
}
