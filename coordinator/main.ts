/** The mcpx command: every verb, its options, and the one place where an error becomes text and an exit code. */
import {Command, CommanderError} from 'commander';
import {addAgentCommand} from './commands/agent.ts';
import {addAgentsCommands} from './commands/agents.ts';
import {asksForJson, errorAnswer} from './commands/answer.ts';
import {addApprovalCommands} from './commands/approvals.ts';
import {addAttemptCommands} from './commands/attempts.ts';
import {addCacheCommands} from './commands/cache.ts';
import {addClusterCommands} from './commands/cluster.ts';
import {addContextCommands} from './commands/context.ts';
import {addCoordinatorCommand} from './commands/coordinator.ts';
import {addDiscoverCommand} from './commands/discover.ts';
import {addDoctorCommand} from './commands/doctor.ts';
import {addDraftCommand} from './commands/draft.ts';
import {addEndpointCommand} from './commands/endpoint.ts';
import {addExplainCommand} from './commands/explain.ts';
import {addHostCommand} from './commands/host.ts';
import {EXIT, processIo} from './commands/io.ts';
import {addLeadCommand} from './commands/lead.ts';
import {addMachineCommands} from './commands/machine.ts';
import {addMemoryCommands} from './commands/memory.ts';
import {addModeCommand} from './commands/mode.ts';
import {addPlanCommands} from './commands/plan.ts';
import {addPoolCommands} from './commands/pool.ts';
import {addRollbackCommand} from './commands/rollback.ts';
import {addRunCommand} from './commands/run.ts';
import {addServerCommands} from './commands/servers.ts';
import {addSessionCommands} from './commands/sessions.ts';
import {addStatusCommand} from './commands/status.ts';
import {addStopCommand} from './commands/stop.ts';
import {addSuperviseCommand} from './commands/supervise.ts';
import {addTokenCommands} from './commands/token.ts';
import {isProtocolError} from './protocol/errors.ts';
import {describeError, isCoordinatorError, systemErrorCode} from './runtime/errors.ts';
import {VERSION} from './version.ts';

async function main(): Promise<number> {
  const io = processIo();
  let exit: number = EXIT.ok;
  const done = (code: number): void => {
    exit = code;
  };
  const program = new Command('mcpx')
    .description('Distributed teams of Claude Code: run a plan over agents on many machines.')
    .version(VERSION, '-V, --version')
    // Verbs have verbs: an option belongs to the name that it follows.
    .enablePositionalOptions()
    .showHelpAfterError('(mcpx --help lists the verbs)')
    .exitOverride()
    .configureOutput({writeOut: text => io.stdout(text), writeErr: text => io.stderr(text)});
  addRunCommand(program, io, done);
  addLeadCommand(program, io, done);
  addDraftCommand(addPlanCommands(program, io, done), io, done);
  addStatusCommand(program, io, done);
  addSessionCommands(program, io, done);
  addExplainCommand(program, io, done);
  addAttemptCommands(program, io, done);
  addApprovalCommands(program, io, done);
  addCacheCommands(program, io, done);
  addRollbackCommand(program, io, done);
  addStopCommand(program, io, done);
  addCoordinatorCommand(program, io, done);
  addClusterCommands(program, io, done);
  addEndpointCommand(program, io, done);
  addAgentCommand(program, io, done);
  addAgentsCommands(program, io, done);
  addMachineCommands(program, io, done);
  addModeCommand(program, io, done);
  addPoolCommands(program, io, done);
  addServerCommands(program, io, done);
  addTokenCommands(program, io, done);
  addMemoryCommands(program, io, done);
  addContextCommands(program, io, done);
  addDiscoverCommand(program, io, done);
  addDoctorCommand(program, io, done);
  addSuperviseCommand(program, io, done);
  addHostCommand(program, io, done);
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    const failed = !(error instanceof CommanderError && error.exitCode === 0);
    if (failed && asksForJson(process.argv)) io.stdout(`${JSON.stringify(errorAnswer(error))}\n`);
    if (error instanceof CommanderError) return failed ? EXIT.usage : EXIT.ok;
    io.stderr(`mcpx: ${describeError(error)}\n`);
    if (isCoordinatorError(error) && error.hint) io.stderr(`${error.hint}\n`);
    if (!isCoordinatorError(error) && !isProtocolError(error) && error instanceof Error)
      io.stderr(`${error.stack ?? ''}\n`);
    return isCoordinatorError(error, 'config') ? EXIT.usage : EXIT.failed;
  }
  return exit;
}

/** Verbs whose work others depend on: they go on when nobody reads their words any more. A supervisor's work begins just then. */
const GO_ON_UNREAD: ReadonlySet<string | undefined> = new Set([
  'agent',
  'coordinator',
  'host',
  'lead',
  'run',
  'supervise',
]);

/** Its reader has gone, or its terminal. */
const UNREAD: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EIO']);

/** A reader that has seen enough, such as `head`, is no failure; anything else that nobody handled is, and must not pass as success. */
function guardProcess(verb: string | undefined): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', error => {
      if (!UNREAD.has(systemErrorCode(error))) throw error;
      if (!GO_ON_UNREAD.has(verb)) process.exit(EXIT.ok);
    });
  }
  const fail = (what: string) => (error: unknown) => {
    process.stderr.write(
      `mcpx: ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(EXIT.failed);
  };
  process.on('uncaughtException', fail('a bug of ours ended this process'));
  process.on('unhandledRejection', fail('a bug of ours ended this process'));
}

guardProcess(process.argv[2]);
process.exitCode = await main();
