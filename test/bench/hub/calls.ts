/** Calls over one way: one after the other, for how long each takes, and many at once, for how many there are and what they cost. */
import {percentile} from '../statistics.ts';
import {type Era, McpCaller} from './mcpCaller.ts';
import type {Way} from './subjects.ts';

export interface CallFigures {
  /** Of calls one after the other. */
  readonly p50Ms: number;
  readonly callsPerSecond: number;
  /** Of the server side, with many at once. */
  readonly cpuUs: number;
}

export interface Load {
  readonly single: number;
  readonly lanes: number;
  readonly many: number;
}

const CPU_TURNS = 8;
const TEXT = 'a text of thirty-two characters!';

export async function measureCalls(way: Way, era: Era, load: Load): Promise<CallFigures> {
  const caller = await McpCaller.connect(way.url, era, way.headers, load.lanes);
  try {
    const tool = await echoOf(caller, way);
    await atOnce(caller, tool, load.lanes, load.lanes * 4);
    const times: number[] = [];
    for (let call = 0; call < load.single; call++) {
      const began = performance.now();
      await caller.echo(tool, TEXT);
      times.push(performance.now() - began);
    }
    const cpu = await way.cpuMs();
    const began = performance.now();
    await atOnce(caller, tool, load.lanes, load.many);
    const elapsedMs = performance.now() - began;
    const cpuUs = (((await way.cpuMs()) - cpu) / load.many) * 1000;
    return {p50Ms: percentile(times, 0.5), callsPerSecond: (load.many / elapsedMs) * 1000, cpuUs};
  } finally {
    caller.close();
  }
}

export type TurnFigures = Pick<CallFigures, 'p50Ms' | 'cpuUs'>;

/** Of ways called in turns within a round: what they differ by is less than what the machine changes from one second to the next. */
export async function measureTurns(ways: readonly Way[], era: Era, load: Load): Promise<TurnFigures[]> {
  const open = ways.map(async way => {
    const caller = await McpCaller.connect(way.url, era, way.headers, load.lanes);
    return {way, caller, tool: await echoOf(caller, way), times: [] as number[], cpu: 0};
  });
  const called = await Promise.all(open);
  try {
    for (let call = 0; call < load.single; call++)
      for (const {caller, tool, times} of called) {
        const began = performance.now();
        await caller.echo(tool, TEXT);
        times.push(performance.now() - began);
      }
    for (const each of called) each.cpu = await each.way.cpuMs();
    for (let turn = 0; turn < CPU_TURNS; turn++)
      for (const {caller, tool} of called) await atOnce(caller, tool, load.lanes, load.many / CPU_TURNS);
    return await Promise.all(
      called.map(async ({way, times, cpu}) => ({
        p50Ms: percentile(times, 0.5),
        cpuUs: (((await way.cpuMs()) - cpu) / load.many) * 1000,
      })),
    );
  } finally {
    for (const {caller} of called) caller.close();
  }
}

async function echoOf(caller: McpCaller, way: Way): Promise<string> {
  const tool = (await caller.tools()).find(name => name === 'echo' || name.endsWith('__echo'));
  if (tool === undefined) throw new Error(`${way.name} does not show the tool`);
  return tool;
}

async function atOnce(caller: McpCaller, tool: string, lanes: number, calls: number): Promise<void> {
  let left = calls;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await caller.echo(tool, TEXT);
  };
  await Promise.all(Array.from({length: lanes}, lane));
}
