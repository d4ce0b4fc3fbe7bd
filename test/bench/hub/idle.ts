/** What a connection costs that says nothing: memory of a coordinator with and without very many of them. */
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {bundle} from '../../support/bundle.ts';
import {BenchProcess} from '../processes.ts';
import {type Coordinator, startCoordinator} from './hubWay.ts';
import {firstLine, type Ground} from './subjects.ts';

export interface IdleFigures {
  /** Bytes for each, as the system counts them and on the heap. */
  readonly resident: number;
  readonly heap: number;
}

/** What was garbage a moment ago is given back by then. */
const SETTLE_MS = 1500;

/** `agreed`: each has been through the handshake of MCP, so that there is a server for it. */
export async function measureIdle(
  ground: Ground & {readonly program: string},
  count: number,
  state: 'plain' | 'agreed',
): Promise<IdleFigures> {
  const program = await bundle(
    fileURLToPath(new URL('idleClients.ts', import.meta.url)),
    path.join(ground.scratch, 'idle.mjs'),
  );
  const coordinator = await startCoordinator(ground, ground.program, `idle-${state}`);
  try {
    const before = await memoryOf(coordinator);
    const clients = BenchProcess.start(
      process.execPath,
      [program, coordinator.endpoint.url, String(count), state],
      {
        logFile: path.join(ground.scratch, `idle-${state}-clients.log`),
        env: {MCPX_TOKEN: coordinator.endpoint.token},
      },
    );
    try {
      const said = await firstLine(clients);
      if (said !== 'ready') throw new Error(`the idle clients said: ${said}`);
      const after = await memoryOf(coordinator);
      return {
        resident: (after.rss - before.rss) / count,
        heap: (after.heapUsed + after.external - before.heapUsed - before.external) / count,
      };
    } finally {
      await clients.kill();
    }
  } finally {
    await coordinator.stop();
  }
}

async function memoryOf({process}: Coordinator): Promise<NodeJS.MemoryUsage> {
  await process.ask({});
  await pause(SETTLE_MS);
  return await process.ask({});
}
