/** Which instances a program may choose from. Pure. */
import type {Row} from '../../protocol/commands/watch.ts';
import type {ClaudeCodeInstance, DiscoveryCriteria, InstanceStatus} from '../../protocol/instance.ts';
import {meetsCriteria} from '../../protocol/meetsCriteria.ts';

/** They take work now. */
const READY: InstanceStatus[] = ['idle', 'active'];

/** In order of id, each with the state that it is in: one that says nothing of its end and is silent is `unreachable`. */
export function availableAgents(rows: Iterable<Row>, criteria: DiscoveryCriteria = {}): ClaudeCodeInstance[] {
  const found: ClaudeCodeInstance[] = [];
  for (const row of rows) {
    if (row.kind !== 'agent') continue;
    const {instance} = row.agent;
    const isSilent = !row.online && instance.status !== 'offline';
    const seen = isSilent ? {...instance, status: 'unreachable' as const} : instance;
    if (meetsCriteria(seen, {...criteria, status: criteria.status ?? READY})) found.push(seen);
  }
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}
