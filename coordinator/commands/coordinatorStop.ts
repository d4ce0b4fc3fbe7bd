/** `mcpx coordinator stop`: ends this user's coordinator on this machine; what it holds is taken up at its next start. */
import type {Command} from 'commander';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {userDirectories} from './local/directories.ts';
import {markStopped} from './local/endpoint.ts';
import {findLocalCoordinator, stopLocalCoordinator} from './local/localCoordinator.ts';
import {hostedSessions} from './run/runFolders.ts';

export function addCoordinatorStopCommand(
  coordinator: Command,
  io: CommandIo,
  done: (exit: number) => void,
): void {
  jsonOption(
    coordinator
      .command('stop')
      .description(
        "Ends this user's coordinator on this machine. Nothing is lost: its next start takes everything up.",
      ),
  ).action(async (options: JsonOption) => done(await stopCoordinator(options, io)));
}

async function stopCoordinator(options: JsonOption, io: CommandIo): Promise<number> {
  const directories = userDirectories(io.env);
  const hosted = await hostedSessions(directories);
  if (hosted.length > 0)
    throw new CoordinatorError('conflict', `it is needed by what runs here: ${hosted.join(', ')}`, {
      hint: 'Their hosts would start it again. End them first: mcpx sessions cancel ID, or mcpx stop --all.',
    });
  const running = await findLocalCoordinator(directories);
  // Before it ends: windows that are connected to it look once it is gone.
  if (running) await markStopped(directories.coordinator);
  await stopLocalCoordinator(directories, systemClock);
  const remains = running !== undefined && (await findLocalCoordinator(directories)) !== undefined;
  if (remains)
    throw new CoordinatorError('timeout', `the coordinator (process ${running.pid}) has not ended yet`, {
      hint: 'It finishes what it acknowledged. Try again, or see its log.',
    });
  const text = running
    ? `The coordinator (process ${running.pid}) ended.\n`
    : 'No coordinator of yours runs here.\n';
  answer(io, options, {stopped: running !== undefined}, text);
  return EXIT.ok;
}
