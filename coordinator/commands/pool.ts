/** `mcpx pool`: the agents that a coordinator starts as the work demands: how many there are and why, and how many a person wants. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import type {PoolStatus} from '../protocol/commands/pool.ts';
import {formatDuration} from '../protocol/plan/duration.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {printable} from './report/terminalText.ts';

type Options = ConnectOptions & JsonOption;

export function addPoolCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const pool = program
    .command('pool')
    .description(
      'The agents that a coordinator starts by itself, as the work demands; its settings poolMax, poolMin, poolProvider and others say how.',
    );
  jsonOption(connectOptions(pool.command('status').description('How many there are, and why.'))).action(
    async (options: Options) => done(await showStatus(options, io)),
  );
  jsonOption(
    connectOptions(
      pool.command('scale <size>').description('Wants so many agents; "auto": as many as the work demands.'),
    ),
  ).action(async (size: string, options: Options) => done(await scale(size, options, io)));
}

function showStatus(options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const status = await client.request('mcpx.pool.status', {});
    answer(io, options, status, statusText(status));
    return EXIT.ok;
  });
}

function statusText({provider, min, max, slots, target, decision, agents}: PoolStatus): string {
  if (max === 0) return 'This coordinator starts no agents: set poolMax.\n';
  const wish = target === undefined ? 'as the work demands' : `${target} wanted by a person`;
  const lines = [`${agents.length} agents by ${provider}, ${min} to ${max} of ${slots} slots each, ${wish}`];
  if (decision) {
    const {predictedWaitMs: waitMs} = decision;
    const wait = waitMs === undefined ? '' : `; the longest wait would be ${formatDuration(waitMs)}`;
    lines.push(`${decision.wanted} needed: ${decision.reason}${wait}`);
  }
  for (const {member, online, status} of agents) {
    const {agentId, state, failures, lastFailure} = member;
    const fault = failures === 0 ? '' : `  (${failures} starts failed: ${printable(lastFailure ?? '')})`;
    lines.push(`  ${agentId}  ${online && state === 'running' ? (status ?? state) : state}${fault}`);
  }
  return lines.map(line => `${line}\n`).join('');
}

function scale(text: string, options: Options, io: CommandIo): Promise<number> {
  const size = text === 'auto' ? undefined : Number(text);
  if (size !== undefined && !(Number.isInteger(size) && size >= 0))
    throw new CoordinatorError('config', `"${text}" is neither a number of agents nor auto`);
  return withClient(options, io, silentLogger, async client => {
    await client.request('mcpx.pool.scale', {size});
    const said = size === undefined ? 'The pool follows the work.\n' : `The pool goes to ${size} agents.\n`;
    answer(io, options, {size: size ?? 'auto'}, said);
    return EXIT.ok;
  });
}
