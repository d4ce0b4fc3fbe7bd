/** `mcpx machine`: other machines that work for a coordinator, reached by ssh alone. */
import type {Command} from 'commander';
import {describeError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {userDirectories} from './local/directories.ts';
import {endProcess} from './local/endProcess.ts';
import {connectOptions, count} from './local/options.ts';
import {type AddMachineOptions, addMachine} from './machines/addMachine.ts';
import {keepMachine} from './machines/keepMachine.ts';
import {type Machine, machineFolders, readTunnelState} from './machines/machineRecord.ts';
import {remoteOf} from './machines/remoteMachine.ts';

const END_MS = 20_000;

export function addMachineCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const machine = program
    .command('machine')
    .description('Other machines that work for a coordinator, reached by ssh alone: no port is opened.');
  const add = machine
    .command('add <user@host>')
    .description(
      'Copies this mcpx there, checks the machine, and keeps an agent there at work through an ssh tunnel.',
    );
  jsonOption(connectOptions(add))
    .option('--ssh-option <option...>', 'as after ssh -o, such as Port=2222', [])
    .option('--slots <n>', 'attempts at once', count, 2)
    .option('--region <name>', 'where it is, for placement')
    .option('--name <name>', "default: the host's")
    .option('--node <path>', 'the node to run there', 'node')
    .option('--home <directory>', "where mcpx keeps things there; default: that user's data directory", '')
    .option('--claude <path|off>', 'the claude executable there, or off to take no prompts')
    .action(async (destination: string, options: AddMachineOptions) =>
      done(await addMachine(destination, options, io)),
    );
  jsonOption(machine.command('list').description('The machines that were added, and their tunnels.')).action(
    async (options: JsonOption) => done(await listMachines(options, io)),
  );
  jsonOption(
    machine
      .command('remove <name>')
      .description('Ends its agent, whose work is given back, and closes the tunnel.'),
  ).action(async (name: string, options: JsonOption) => done(await removeMachine(name, options, io)));
  machine
    .command('keep <name>', {hidden: true})
    .action(async (name: string) => done(await keepMachine(name, io)));
}

async function listMachines(options: JsonOption, io: CommandIo): Promise<number> {
  const folders = machineFolders(userDirectories(io.env));
  const machines = [];
  for (const name of await folders.names()) {
    const {destination, slots, region = null, log} = await folders.require(name);
    const pid = (await folders.keeper(name)) ?? null;
    const {open, port = null} = await readTunnelState(folders.folder(name));
    const tunnel = pid === null ? 'gone' : open ? 'open' : 'opening';
    machines.push({machine: name, destination, pid, tunnel, port, slots, region, log});
  }
  const lines = machines.map(
    ({machine, destination, slots, tunnel}) =>
      `${machine}  ${destination}  ${slots} slots  tunnel ${tunnel}\n`,
  );
  answer(io, options, {machines}, lines.length === 0 ? 'No machines were added.\n' : lines.join(''));
  return EXIT.ok;
}

/** The agent goes first, while it can still say goodbye through the tunnel. */
async function removeMachine(name: string, options: JsonOption, io: CommandIo): Promise<number> {
  const folders = machineFolders(userDirectories(io.env));
  const machine = await folders.require(name);
  const notice = await endAgent(machine, io);
  const pid = await folders.keeper(name);
  if (pid !== undefined)
    await endProcess(pid, async () => (await folders.keeper(name)) === undefined, END_MS);
  await folders.remove(name);
  const text = `Machine ${name} is gone.\n`;
  answer(io, options, {machine: name, removed: true, notice}, notice === null ? text : `${text}${notice}\n`);
  return EXIT.ok;
}

/** What did not work, for a person. */
async function endAgent(machine: Machine, io: CommandIo): Promise<string | null> {
  try {
    await remoteOf(machine, io.env).mcpx(machine.folder, ['agent', 'remove', machine.name, '--json']);
    return null;
  } catch (error) {
    return `Its agent could not be told; it ends by itself without a coordinator: ${describeError(error)}`;
  }
}
