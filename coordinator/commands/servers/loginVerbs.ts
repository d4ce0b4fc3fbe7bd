/** `mcpx servers login` and `logout`: a person lets the hub into a server that wants OAuth, by a browser that comes back to this machine. */
import type {Command} from 'commander';
import {type FinishedLogin, logInAtServer} from '../../client/logins/logInAtServer.ts';
import {silentLogger} from '../../observability/logger.ts';
import type {Revocation} from '../../protocol/commands/server.ts';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import {answer, type JsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, withClient} from '../local/connect.ts';
import {printable} from '../report/terminalText.ts';
import {openBrowser} from './openBrowser.ts';

type Options = ConnectOptions & JsonOption;

interface LoginOptions extends Options {
  readonly scope?: string;
  readonly port: number;
  readonly browser: boolean;
}

/** Several requests to an authorization server, one after the other. */
const STEP_MS = 120_000;

export function addLoginVerbs(
  verb: (usage: string, description: string) => Command,
  io: CommandIo,
  done: (exit: number) => void,
): void {
  verb(
    'login <name>',
    'Logs in at a server that wants OAuth, for all clients of the hub: prints the address of its page, opens it in a browser where there is one, and waits for it to come back to this machine.',
  )
    .option('--scope <scope>', 'wanted beside what was granted before')
    .option(
      '--port <port>',
      'of this machine, where the browser comes back to; default: a free one',
      Number,
      0,
    )
    .option('--no-browser', 'print the address only')
    .action(async (name: string, options: LoginOptions) => done(await login(name, options, io)));
  verb(
    'logout <name>',
    'Forgets the login at a server, and has its tokens revoked; whoever uses it by that is cut off.',
  ).action(async (name: string, options: Options) => done(await logout(name, options, io)));
}

async function login(name: string, options: LoginOptions, io: CommandIo): Promise<number> {
  const {scope, port} = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new CoordinatorError('config', `--port: ${port} is no port`);
  return withClient(options, io, silentLogger, async client => {
    const goTo = (url: string): void => {
      io.stderr(`Log in at ${name} here:\n\n${printable(url)}\n\n`);
      if (options.browser) openBrowser(url, io.env);
    };
    const finished = await logInAtServer({client, name, scope, port, clock: systemClock, goTo}).catch(
      (error: unknown) => {
        if (!isCoordinatorError(error, 'timeout')) throw error;
        throw new CoordinatorError('timeout', error.message, {
          cause: error.cause,
          hint: 'Begin it anew; a browser on another machine reaches this one where --port is forwarded (ssh -L).',
        });
      },
    );
    answer(io, options, {name, ...finished}, `The hub is logged in at ${name}${facts(finished)}.\n`);
    return EXIT.ok;
  });
}

function facts({issuer, scope, renewable}: FinishedLogin): string {
  const granted = scope === undefined ? '' : `, scope ${printable(scope)}`;
  return `, by ${printable(issuer)}${granted}${renewable ? '' : '; it is not renewed, and has to be done again when it ends'}`;
}

/** What became of the tokens of a login that the hub has forgotten. */
export function revocationText(revocation: Revocation): string {
  if (revocation.kind === 'revoked') return 'Its tokens are revoked.';
  const issuer = printable(revocation.issuer);
  return revocation.kind === 'notOffered'
    ? `${issuer} does not offer to revoke its tokens: they are forgotten here, and good until they end by themselves.`
    : `Its tokens are forgotten here, and could not be revoked at ${issuer}: ${printable(revocation.reason)}. End them there, where it lists what has access.`;
}

function logout(name: string, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {revocation} = await client.request('mcpx.server.logout', {name}, {timeoutMs: STEP_MS});
    const text = `The hub is no longer logged in at ${name}. ${revocationText(revocation)}\n`;
    answer(io, options, {name, revocation}, text);
    return EXIT.ok;
  });
}
