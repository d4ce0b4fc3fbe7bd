/** `mcpx supervise`: the process that outlives an agent just long enough to kill what its attempts left running. Started by agents only. */
import type {Command} from 'commander';
import {runSupervisor} from '../agent/supervisor/runSupervisor.ts';
import {systemClock} from '../runtime/clock.ts';
import {type CommandIo, EXIT} from './io.ts';

export function addSuperviseCommand(program: Command, _io: CommandIo, done: (exit: number) => void): void {
  program.command('supervise', {hidden: true}).action(async () => {
    await runSupervisor(process, systemClock);
    done(EXIT.ok);
  });
}
