/** `mcpx lead`: the user's own Claude Code, in this folder, with the fleet at hand. */
import type {Command} from 'commander';
import type {CommandIo} from './io.ts';
import {DEFAULT_LEAD_AGENTS, type LeadOptions, LeadRun} from './lead/leadRun.ts';
import {count} from './local/options.ts';
import {serversOption} from './local/serversOption.ts';

export function addLeadCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const lead = program
    .command('lead')
    .description(
      'Starts your own Claude Code in this folder with the fleet at hand: it plans, delegates to agents and waits for them by the tools of the coordinator. What follows -- goes to Claude Code. When you leave it, what it delegated comes to its end, and the merged result is a branch. Its exit code is passed on.',
    )
    .argument('[args...]', 'for Claude Code, after --')
    .option('--goal <text>', 'what it begins with')
    .option('--connect <url,...|context>', 'a coordinator elsewhere, and the agents that joined it')
    .option('--token <token>', 'client token for --connect; better in MCPX_TOKEN')
    .option('--ca-pin <pin>', 'sha256:… of the authority behind --connect')
    .option('--here', 'the coordinator of this machine, whatever context is current', false)
    .option(
      '--agents <n>',
      `agents to start on this machine for the time; default: ${DEFAULT_LEAD_AGENTS} where nobody else would do the work`,
      count,
    )
    .option('--slots <n>', 'attempts that one of these agents runs at once', count, 2)
    .option('--uncommitted', 'the tasks begin with uncommitted work too', false)
    .option('--rehearse <script>', 'no model is called: lead and agents play this script');
  serversOption(lead)
    .option('--verbose', 'log what happens underneath', false)
    .addHelpText('after', EXAMPLES)
    .action(async (args: string[], options: LeadOptions) => done(await new LeadRun(options, args, io).run()));
}

const EXAMPLES = `
Examples:
  mcpx lead --goal "Port the parser to TypeScript"
  mcpx lead -- --continue                       goes on with the last conversation in this folder, in a session of its own
  mcpx lead --servers .mcp.json -- --model opus
  mcpx lead --goal "Write the docs" -- --print  answers once instead of opening its terminal`;
