/** The other machine before and while it works for us: looked at, given our program, examined by that program itself. */
import * as z from 'zod';
import {CoordinatorError} from '../../runtime/errors.ts';
import {VERSION} from '../../version.ts';
import {childEnvironment} from '../local/selfCommand.ts';
import {BUNDLE_NAME, type Program} from './program.ts';
import {PROBE_SCRIPT, RECEIVE_SCRIPT} from './remoteScripts.ts';
import {Ssh, type SshDestination, type SshOutput} from './ssh.ts';

const Look = z.object({
  node: z.string(),
  platform: z.string(),
  arch: z.string(),
  home: z.string(),
  folder: z.string(),
  present: z.boolean(),
  others: z.array(z.object({version: z.string(), folder: z.string()})),
});
export type Look = z.infer<typeof Look>;

const Diagnosis = z.object({
  ok: z.boolean(),
  version: z.string(),
  findings: z.array(
    z.object({
      subject: z.string(),
      verdict: z.enum(['ok', 'warning', 'problem']),
      detail: z.string(),
      remedy: z.string().optional(),
    }),
  ),
});
export type Diagnosis = z.infer<typeof Diagnosis>;

const OLDEST_NODE = [20, 10] as const;

export interface RemoteSettings {
  /** The `node` to run there. */
  readonly node: string;
  /** MCPX_HOME there; '' for that user's own. */
  readonly home: string;
}

export class RemoteMachine {
  constructor(
    readonly ssh: Ssh,
    private readonly settings: RemoteSettings,
  ) {}

  /** Throws `incompatible` for a Node that cannot run us. */
  async look(program: Program): Promise<Look> {
    const {node, home} = this.settings;
    const files = program.files.map(file => ({path: file.path, sha256: file.sha256}));
    const asked = JSON.stringify({home, digest: program.digest, files});
    const look = parsed(Look, await this.ssh.run([node, '-e', PROBE_SCRIPT], asked), 'look at it');
    const [major = 0, minor = 0] = look.node.split('.').map(Number);
    if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]))
      throw new CoordinatorError('incompatible', `${this.name} has Node ${look.node}: it is too old`, {
        hint: `Install Node ${OLDEST_NODE.join('.')} or newer there, or name another with --node. Nothing was changed.`,
      });
    return look;
  }

  /** Each file's hash is checked there, from the disk, before the program appears under its name. */
  async send(program: Program): Promise<void> {
    const {node, home} = this.settings;
    const files = program.files.map(({path, sha256, content}) => ({path, sha256, bytes: content.length}));
    const head = JSON.stringify({home, digest: program.digest, version: VERSION, files});
    const body = Buffer.concat([Buffer.from(`${head}\n`), ...program.files.map(file => file.content)]);
    const output = await this.ssh.run([node, '-e', RECEIVE_SCRIPT], body);
    parsed(z.object({folder: z.string()}), output, 'take our program');
  }

  async doctor(folder: string): Promise<Diagnosis> {
    return parsed(Diagnosis, await this.mcpx(folder, ['doctor', '--json']), 'examine itself', [0, 1]);
  }

  /** Runs a verb of our program there. */
  mcpx(folder: string, args: readonly string[], input = ''): Promise<SshOutput> {
    const {node, home} = this.settings;
    const environment = home === '' ? [] : ['env', `MCPX_HOME=${home}`];
    return this.ssh.run([...environment, node, `${folder}/${BUNDLE_NAME}`, ...args], input);
  }

  private get name(): string {
    return this.ssh.to.destination;
  }
}

export function remoteOf(
  {node, home, ...to}: RemoteSettings & SshDestination,
  env: Readonly<Record<string, string | undefined>>,
): RemoteMachine {
  const {MCPX_TOKEN: _, ...inherited} = env;
  const {destination, sshOptions} = to;
  return new RemoteMachine(new Ssh({destination, sshOptions}, childEnvironment(inherited)), {node, home});
}

/** What is said before the last line, such as a greeting of the shell, is not ours. */
function parsed<S extends z.ZodType>(
  schema: S,
  {code, stdout, stderr}: SshOutput,
  what: string,
  okCodes: readonly number[] = [0],
): z.infer<S> {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (okCodes.includes(code)) {
    try {
      return schema.parse(JSON.parse(line));
    } catch (cause) {
      throw new CoordinatorError('internal', `the other machine did not ${what}: ${stdout}${stderr}`, {
        cause,
      });
    }
  }
  throw new CoordinatorError(
    'unavailable',
    `the other machine could not ${what}:\n${stderr.trim() || stdout.trim()}`,
  );
}
