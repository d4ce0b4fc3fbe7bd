/** `mcpx mode` and `mcpx sessions mode`: which agents do the work, shown and changed while it runs. */
import {Argument, type Command, Option} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import type {ModeStatus} from '../protocol/commands/mode.ts';
import {ORCHESTRATION_MODES, type OrchestrationMode} from '../protocol/model/mode.ts';
import {formatDuration} from '../protocol/plan/duration.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {printable} from './report/terminalText.ts';
import {requireSession} from './sessions/sessionRows.ts';

type Options = ConnectOptions & JsonOption & {readonly giveBack: boolean};
type Wanted = OrchestrationMode | 'default';

const MEANING =
  'internal: only agents that the coordinator runs on its machine. external: only agents that joined. hybrid: both alike. ' +
  'auto: internal ones first, others where none fits or the wait would be longer than the setting autoWaitMs.';

export function addModeCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  modeOptions(
    program
      .command('mode')
      .description(`Shows or changes which agents do the work of a coordinator. ${MEANING}`)
      .addArgument(modeArgument('[mode]', "default: its setting's")),
  ).action(async (mode: Wanted | undefined, options: Options) =>
    done(await coordinatorMode(mode, options, io)),
  );
}

export function addSessionModeVerb(sessions: Command, io: CommandIo, done: (exit: number) => void): void {
  modeOptions(
    sessions
      .command('mode')
      .description(
        `Changes which agents do the work of a session; what the coordinator's mode leaves out stays out. ${MEANING}`,
      )
      .argument('<session>')
      .addArgument(modeArgument('<mode>', "default: its plan's")),
  ).action(async (id: string, mode: Wanted, options: Options) =>
    done(await sessionMode(id, mode, options, io)),
  );
}

function modeArgument(name: string, byDefault: string): Argument {
  return new Argument(name, byDefault).choices([...ORCHESTRATION_MODES, 'default']);
}

function modeOptions(command: Command): Command {
  return jsonOption(connectOptions(command)).addOption(
    new Option(
      '--give-back',
      'attempts on agents that are left out begin anew elsewhere, one at a time and at no cost to their retries, as soon as another agent is free; else they end where they are',
    ).default(false),
  );
}

function coordinatorMode(mode: Wanted | undefined, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const status =
      mode === undefined
        ? await client.request('mcpx.mode.get', {})
        : await client.request('mcpx.mode.set', wish(mode, options));
    answer(io, options, status, `${modeText(status)}\n`);
    return EXIT.ok;
  });
}

function sessionMode(id: string, mode: Wanted, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    const status = await client.request('mcpx.mode.set', {sessionId, ...wish(mode, options)});
    const own = status.session?.mode ?? "its plan's";
    answer(io, options, status, `${sessionId}: mode ${own}${leavingText(status)}\n`);
    return EXIT.ok;
  });
}

function wish(mode: Wanted, {giveBack}: Options) {
  return {
    mode: mode === 'default' ? undefined : mode,
    running: giveBack ? ('giveBack' as const) : ('finish' as const),
  };
}

function modeText(status: ModeStatus): string {
  const {mode, setting, chosen, autoWaitMs, agents} = status;
  const why =
    chosen?.mode === undefined
      ? 'by its setting'
      : `chosen by ${printable(chosen.by)} on ${new Date(chosen.at).toISOString()}; its setting says ${setting}`;
  const wait =
    mode === 'auto' ? `; a task waits at most ${formatDuration(autoWaitMs)} for an internal agent` : '';
  return `mode ${mode}, ${why}${wait}\n${agents.internal} internal and ${agents.external} external agents take work${leavingText(status)}`;
}

function leavingText({leaving, chosen, session}: ModeStatus): string {
  if (leaving === 0) return '';
  const moves = session?.givesBack ?? chosen?.running === 'giveBack';
  const which =
    leaving === 1
      ? '1 attempt on an agent that is left out'
      : `${leaving} attempts on agents that are left out`;
  if (moves) return `; given back one at a time, as other agents come free: ${which}`;
  return `; allowed to end where it is: ${which}`;
}
