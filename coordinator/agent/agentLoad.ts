/** The load of the machine that an agent runs on, as its heartbeat tells it. */
import {statfs} from 'node:fs/promises';
import os from 'node:os';
import type {Logger} from '../observability/logger.ts';
import type {ResourceRequirement} from '../protocol/capability.ts';
import type {AgentLoad} from '../protocol/instance.ts';

const MIB = 1024 * 1024;

export async function measureLoad(
  folder: string,
  slots: {readonly running: number; readonly slots: number},
  logger: Logger,
): Promise<AgentLoad> {
  const [oneMinute = 0] = os.loadavg();
  return {
    ...slots,
    cpu: oneMinute / os.availableParallelism(),
    freeMemoryMiB: Math.floor(os.freemem() / MIB),
    freeDiskMiB: await freeDiskMiB(folder, logger),
  };
}

export function machineResources(): ResourceRequirement[] {
  return [
    {type: 'cpu', amount: os.availableParallelism()},
    {type: 'memory', amount: Math.floor(os.totalmem() / MIB)},
  ];
}

/** Undefined where the system does not say. */
async function freeDiskMiB(folder: string, logger: Logger): Promise<number | undefined> {
  try {
    const {bavail, bsize} = await statfs(folder);
    return Math.floor((bavail * bsize) / MIB);
  } catch (error) {
    logger.debug('the free space of the disk is not known', {folder, error});
    return undefined;
  }
}
