/** `mcpx context`: names for the coordinators that a person uses, so that `--connect NAME` is enough. */
import type {Command} from 'commander';
import {CoordinatorError} from '../runtime/errors.ts';
import {type CommandIo, EXIT} from './io.ts';
import {openContexts} from './local/contexts.ts';
import {userDirectories} from './local/directories.ts';

export function addContextCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const context = program.command('context').description('Names for coordinators on other machines.');
  const open = () => openContexts(userDirectories(io.env).contextsFile);

  context
    .command('list')
    .description('The names that are known; * marks the one that is used without --connect.')
    .action(async () => {
      const {data} = await open();
      for (const {name, url} of data.contexts)
        io.stdout(`${name === data.current ? '*' : ' '} ${name}  ${url}\n`);
      if (data.contexts.length === 0)
        io.stdout('No contexts. Add one: mcpx context add NAME wss://HOST:PORT\n');
      done(EXIT.ok);
    });

  context
    .command('add <name> <url>')
    .description('Adds or replaces a name. The token is read from MCPX_TOKEN or --token.')
    .option('--token <token>', 'a client token of that coordinator')
    .option('--ca-pin <pin>', 'sha256:… of its authority, as mcpx token create prints it')
    .action(async (name: string, url: string, options: {token?: string; caPin?: string}) => {
      if (!/^wss?:\/\//.test(url))
        throw new CoordinatorError('config', `"${url}" is not a ws:// or wss:// address`);
      const contexts = await open();
      const token = options.token ?? io.env['MCPX_TOKEN'];
      await contexts.update(data => {
        data.contexts = [
          ...data.contexts.filter(other => other.name !== name),
          {name, url, token, caPin: options.caPin},
        ];
      });
      io.stdout(`${name} is ${url}\n`);
      done(EXIT.ok);
    });

  context
    .command('use [name]')
    .description('Uses a name where --connect is not given; without a name, this machine again.')
    .action(async (name: string | undefined) => {
      const contexts = await open();
      if (name !== undefined && !contexts.data.contexts.some(other => other.name === name)) {
        throw new CoordinatorError('config', `there is no context "${name}"`, {
          hint: 'mcpx context list shows those that are known.',
        });
      }
      await contexts.update(data => {
        data.current = name;
      });
      io.stdout(name === undefined ? "This machine's own coordinator is used.\n" : `${name} is used.\n`);
      done(EXIT.ok);
    });

  context
    .command('remove <name>')
    .description('Forgets a name and its token.')
    .action(async (name: string) => {
      const contexts = await open();
      await contexts.update(data => {
        data.contexts = data.contexts.filter(other => other.name !== name);
        if (data.current === name) data.current = undefined;
      });
      done(EXIT.ok);
    });
}
