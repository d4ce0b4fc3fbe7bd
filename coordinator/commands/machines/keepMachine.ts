/** The process that keeps an added machine. Started by `mcpx machine add` only. */
import {createLogger} from '../../observability/logger.ts';
import {systemClock} from '../../runtime/clock.ts';
import {systemRandom} from '../../runtime/random.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {userDirectories} from '../local/directories.ts';
import {hostFaultOf} from '../local/hostFault.ts';
import {tellStarterAndPart} from '../local/starter.ts';
import {MachineKeeper} from './machineKeeper.ts';
import {machineFolders} from './machineRecord.ts';
import {remoteOf} from './remoteMachine.ts';

export async function keepMachine(name: string, io: CommandIo): Promise<number> {
  const folders = machineFolders(userDirectories(io.env));
  try {
    const machine = await folders.require(name);
    const lock = await folders.claim(name, systemRandom);
    try {
      const keeper = new MachineKeeper({
        machine,
        folder: folders.folder(name),
        remote: remoteOf(machine, io.env),
        joined: () => void tellStarterAndPart({kind: 'begun', agents: 1}),
        clock: systemClock,
        logger: createLogger({
          sink: {write: line => io.stderr(`${line}\n`)},
          level: 'info',
          format: 'text',
          wallNow: systemClock.wallNow,
        }),
      });
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => keeper.stop());
      await keeper.run();
    } finally {
      await lock.release();
    }
    return EXIT.ok;
  } catch (error) {
    await tellStarterAndPart({kind: 'failed', fault: hostFaultOf(error)});
    throw error;
  }
}
