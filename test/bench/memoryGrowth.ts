/** Whether a coordinator that works off session after session grows: the memory that a finished task leaves behind. */
import {setTimeout as pause} from 'node:timers/promises';
import {type McpxOptions, McpxSubject, planOf} from './mcpxSubject.ts';

export interface Growth {
  /** Of the coordinator, for each finished task. */
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

/**
 * Compares the least memory after the sessions of the first half with that of the second: what is left for good raises both ends of the band in
 * which memory moves. The very first session is left out.
 */
export async function measureGrowth(
  options: McpxOptions,
  sessions: number,
  tasks: number,
  lanes: number,
): Promise<Growth> {
  // What is bounded is made small, so that it is full from the start and hides nothing.
  const settings = [
    ...[`keepSessions=${KEEP_SESSIONS}`, 'retentionMs=500'],
    ...['historyRevisions=50', 'watchRing=50'],
  ];
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
    const growth = (bytes: readonly number[]): number => {
      const half = Math.floor(sessions / 2);
      return (Math.min(...bytes.slice(half)) - Math.min(...bytes.slice(1, half))) / (half * tasks);
    };
    return {
      heapBytesPerTask: growth(heap),
      rssBytesPerTask: growth(rss),
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
