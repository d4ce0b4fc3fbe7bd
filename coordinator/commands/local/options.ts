/** Options that several verbs share. */
import type {Command} from 'commander';

export function connectOptions(command: Command): Command {
  return command
    .option(
      '--connect <url|context>',
      "a coordinator's address, or the name of a context; default: this user's own",
    )
    .option('--token <token>', 'client token; better in MCPX_TOKEN')
    .option('--ca-pin <pin>', 'sha256:… of the authority behind the address');
}
