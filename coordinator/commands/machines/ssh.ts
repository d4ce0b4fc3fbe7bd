/** Commands on another machine by the user's own `ssh`: its configuration, keys and agent count, nobody is asked for anything. */
import {type ChildProcess, spawn} from 'node:child_process';
import {CoordinatorError} from '../../runtime/errors.ts';

export interface SshOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** OpenSSH's own failure, as opposed to one of the command. */
const CONNECTION_FAILED = 255;
const NOT_FOUND = 127;
const MAX_OUTPUT = 1024 * 1024;

const ALWAYS = [
  // A password that nobody can type is no way in.
  'BatchMode=yes',
  'ConnectTimeout=20',
  'ServerAliveInterval=10',
  'ServerAliveCountMax=3',
  // Forwards and ends are to be this connection's own.
  'ControlMaster=no',
  'ControlPath=none',
];

export interface SshDestination {
  /** `user@host`, or a name of the ssh configuration. */
  readonly destination: string;
  /** Each as after `-o`. */
  readonly sshOptions: readonly string[];
}

export class Ssh {
  constructor(
    readonly to: SshDestination,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /** Throws `unavailable` when there is no connection, `notFound` when the command is not there. Any other exit code is an answer. */
  async run(command: readonly string[], input: string | Buffer = ''): Promise<SshOutput> {
    const child = this.spawn([], command.map(quoted).join(' '));
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    const output = await outputOf(child);
    if (output.code === CONNECTION_FAILED) throw this.unreachable(output.stderr);
    if (output.code === NOT_FOUND)
      throw new CoordinatorError('notFound', `there is no ${command[0]} on ${this.to.destination}`, {
        hint: 'Install it there, or name its path with --node: an ssh command sees fewer folders than a terminal.',
      });
    return output;
  }

  /** A connection of its own; `flags` come before the destination. The command goes through the other side's shell. */
  spawn(flags: readonly string[], command: string): ChildProcess {
    const {destination, sshOptions} = this.to;
    // The first value of an option counts: what a person said goes before what we say.
    const options = [...sshOptions, ...ALWAYS].flatMap(option => ['-o', option]);
    return spawn('ssh', ['-T', ...options, ...flags, '--', destination, command], {
      env: {...this.env},
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
  }

  private unreachable(stderr: string): CoordinatorError {
    const {destination} = this.to;
    return new CoordinatorError('unavailable', `ssh does not get to ${destination}: ${stderr.trim()}`, {
      hint: `Try "ssh ${destination} true": it has to work without a question (key in the agent, host key known).`,
    });
  }
}

/** As one word of a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function outputOf(child: ChildProcess): Promise<SshOutput> {
  const output = {stdout: '', stderr: ''};
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      output[stream] = (output[stream] + text).slice(-MAX_OUTPUT);
    });
  return new Promise((resolve, reject) => {
    child.once('error', cause =>
      reject(
        new CoordinatorError('config', 'ssh cannot be run on this machine', {
          cause,
          hint: "Install OpenSSH's client.",
        }),
      ),
    );
    child.once('close', code => resolve({code: code ?? CONNECTION_FAILED, ...output}));
  });
}
