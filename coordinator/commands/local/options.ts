/** Options that several verbs share. */
import {type Command, Option} from 'commander';
import {CoordinatorError} from '../../runtime/errors.ts';

export function connectOptions(command: Command): Command {
  return command
    .option(
      '--connect <url,...|context>',
      "a coordinator's address, or several of one cluster, or the name of a context; default: this user's own",
    )
    .option('--token <token>', 'client token; better in MCPX_TOKEN')
    .option('--ca-pin <pin>', 'sha256:… of the authority behind the address')
    .addOption(
      new Option('--here', "this user's own coordinator, whatever context is current").conflicts('connect'),
    );
}

/** For options that are amounts of money. */
export function dollars(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new CoordinatorError('config', `"${text}" is not an amount of dollars`);
  return value;
}

/** For options that are times; 0 is one. */
export function milliseconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new CoordinatorError('config', `"${text}" is not a number of milliseconds`);
  return value;
}

/** For options that are numbers. */
export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new CoordinatorError('config', `"${text}" is not a number of 1 or more`);
  return value;
}
