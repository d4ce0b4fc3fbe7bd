/** `mcpx stop --all`: the emergency brake for the whole fleet. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import {counted} from '../runtime/counted.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';

const ANSWER_SLACK_MS = 20_000;

interface StopOptions extends ConnectOptions, JsonOption {
  /** Seconds. */
  readonly grace: number;
  readonly reason: string;
}

export function addStopCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const command = program
    .command('stop')
    .description(
      'Interrupts, then kills every attempt of the fleet, cancels every session, and shows who has not confirmed.',
    );
  jsonOption(connectOptions(command))
    .option('--all', 'required: the whole fleet', false)
    .option('--grace <seconds>', 'time between the interrupt and the kill', Number, 5)
    .option('--reason <text>', 'kept with the sessions', 'stopped by a person')
    .action(async (options: StopOptions & {all: boolean}) => {
      if (!options.all)
        throw new CoordinatorError('config', 'say --all to stop the whole fleet', {
          hint: 'One session: mcpx sessions cancel ID.',
        });
      if (!(options.grace >= 0 && options.grace <= 60))
        throw new CoordinatorError('config', '--grace is 0 to 60 seconds');
      done(await stopAll(options, io));
    });
}

function stopAll(options: StopOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const graceMs = Math.round(options.grace * 1000);
    const stopped = await client.request(
      'mcpx.fleet.stop',
      {reason: options.reason, graceMs},
      {timeoutMs: graceMs + ANSWER_SLACK_MS},
    );
    const confirmed = stopped.agents.every(agent => agent.confirmed);
    const lines = [
      `${counted(stopped.sessions.length, 'session')} cancelled`,
      ...stopped.agents.map(agent =>
        agent.confirmed
          ? `${agent.agentId}: confirmed, ${agent.killed} attempts ended`
          : `${agent.agentId}: NOT CONFIRMED${agent.message ? ` (${agent.message})` : ''}`,
      ),
    ];
    answer(io, options, {confirmed, ...stopped}, `${lines.join('\n')}\n`);
    return confirmed ? EXIT.ok : EXIT.failed;
  });
}
