/** Whether a coordinator that works off session after session grows: the memory that a finished task leaves behind. */
import {setTimeout as pause} from 'node:timers/promises';
import {type McpxOptions, McpxSubject, planOf} from './mcpxSubject.ts';

export interface Growth {
  /** Heap of the coordinator for each finished task of the later half of the sessions. */
  readonly heapBytesPerTask: number;
  readonly rssBytesPerTask: number;
  /** Of the coordinator after each session. */
  readonly heapMiB: readonly number[];
  readonly rssMiB: readonly number[];
  readonly agentHeapMiB: readonly number[];
}

export const KEEP_SESSIONS = 2;
const SWEEP_TIMEOUT_MS = 60_000;
const MIB = 1024 * 1024;

/** The first half fills what is bounded (history, caches, the sessions that are kept); growth is that of the second. */
export async function measureGrowth(
  options: McpxOptions,
  sessions: number,
  tasks: number,
  lanes: number,
): Promise<Growth> {
  const settings = [`keepSessions=${KEEP_SESSIONS}`, 'retentionMs=500'];
  const subject = await McpxSubject.start({...options, settings});
  try {
    const heap: number[] = [];
    const rss: number[] = [];
    const agent: number[] = [];
    for (let done = 0; done < sessions; done++) {
      await subject.runSession(planOf(done % 2 === 0 ? 'inFlight' : 'backlog', tasks, lanes));
      await swept(subject);
      const memory = await subject.memory();
      heap.push(memory.coordinator.heapUsed + memory.coordinator.external);
      rss.push(memory.coordinator.rss);
      agent.push(memory.agent.heapUsed + memory.agent.external);
    }
    const from = Math.floor(sessions / 2);
    return {
      heapBytesPerTask: slope(heap.slice(from)) / tasks,
      rssBytesPerTask: slope(rss.slice(from)) / tasks,
      heapMiB: heap.map(bytes => bytes / MIB),
      rssMiB: rss.map(bytes => bytes / MIB),
      agentHeapMiB: agent.map(bytes => bytes / MIB),
    };
  } finally {
    await subject.stop();
  }
}

async function swept(subject: McpxSubject): Promise<void> {
  const until = performance.now() + SWEEP_TIMEOUT_MS;
  while ((await subject.sessions()) > KEEP_SESSIONS) {
    if (performance.now() > until) throw new Error('old sessions were not deleted in time');
    await pause(200);
  }
  // Compaction and trimming go with the store's ticks.
  await pause(1000);
}

/** Least squares over equally spaced values: growth a step. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let above = 0;
  let below = 0;
  for (const [index, value] of values.entries()) {
    above += (index - middle) * (value - mean);
    below += (index - middle) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
