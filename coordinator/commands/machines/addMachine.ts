/** `mcpx machine add`: another machine made to work for a coordinator, by ssh alone: looked at, given this program, examined, joined. */
import path from 'node:path';
import {silentLogger} from '../../observability/logger.ts';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {VERSION} from '../../version.ts';
import {answer, type JsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, namedCoordinator, withClient} from '../local/connect.ts';
import {ensurePrivateDirectory, userDirectories} from '../local/directories.ts';
import {ensureLocalCoordinator} from '../local/localCoordinator.ts';
import {startKeeper} from '../local/startKeeper.ts';
import {type Machine, machineFolders} from './machineRecord.ts';
import {packProgram} from './program.ts';
import {type Diagnosis, type Look, type RemoteMachine, remoteOf} from './remoteMachine.ts';

export interface AddMachineOptions extends ConnectOptions, JsonOption {
  readonly sshOption: string[];
  readonly slots: number;
  readonly region?: string;
  readonly name?: string;
  readonly node: string;
  readonly home: string;
  readonly claude?: string;
}

const TOKEN_SECONDS = 366 * 86_400;
const JOIN_MS = 120_000;

export async function addMachine(
  destination: string,
  options: AddMachineOptions,
  io: CommandIo,
): Promise<number> {
  const directories = userDirectories(io.env);
  const folders = machineFolders(directories);
  const name = options.name ?? nameOf(destination);
  const pid = await folders.keeper(name);
  if (pid !== undefined)
    throw new CoordinatorError('conflict', `the machine "${name}" is there already, kept by process ${pid}`, {
      hint: `Take another --name, or let it go first: mcpx machine remove ${name}`,
    });
  const {node, home} = options;
  const reach = {destination, sshOptions: options.sshOption, node, home};
  const remote = remoteOf(reach, io.env);
  const {look, copied} = await bring(remote, io);
  const diagnosis = await examine(remote, look, destination);
  await ensurePrivateDirectory(directories.logs);
  const log = path.join(directories.logs, `machine-${name}.log`);
  const {slots, region, claude} = options;
  const door = await doorOf(options, name, io);
  // One that an earlier keeper left there is of the settings of then.
  if (await folders.read(name)) await remote.mcpx(look.folder, ['agent', 'remove', name, '--json']);
  await folders.write(name, {v: 1, name, ...reach, folder: look.folder, slots, region, claude, ...door, log});
  const begun = await startKeeper(['machine', 'keep', name], {folders, name, log, patienceMs: JOIN_MS}, io);
  const claudeThere = diagnosis.findings.find(finding => finding.subject === 'claude');
  answer(
    io,
    options,
    {
      machine: name,
      destination,
      pid: begun.pid,
      log,
      slots,
      version: VERSION,
      program: look.folder,
      copied,
      node: look.node,
      platform: look.platform,
      arch: look.arch,
      claude: claudeThere ?? null,
      others: look.others,
    },
    `Machine ${name} works: ${slots} slots, ${look.platform}-${look.arch}, Node ${look.node}, log ${log}\n`,
  );
  return EXIT.ok;
}

/** Our program is there when it resolves. */
async function bring(remote: RemoteMachine, io: CommandIo): Promise<{look: Look; copied: boolean}> {
  const program = await packProgram(process.argv[1]);
  const look = await remote.look(program);
  for (const {version, folder} of look.others)
    io.stderr(
      version === VERSION
        ? `Another build of mcpx ${version} is there too: ${folder}\n`
        : `mcpx ${version} is there too, of another version than this ${VERSION}: ${folder}\n`,
    );
  if (!program.hasSdk)
    io.stderr('The Claude Agent SDK is not beside this mcpx: the machine will take run tasks only.\n');
  if (look.present) return {look, copied: false};
  io.stderr(`Copying mcpx ${VERSION} to ${look.folder}\n`);
  await remote.send(program);
  return {look, copied: true};
}

/** Without git nothing works there; without Claude Code run tasks do. */
async function examine(remote: RemoteMachine, look: Look, destination: string): Promise<Diagnosis> {
  const diagnosis = await remote.doctor(look.folder);
  const fatal = diagnosis.findings.find(
    ({subject, verdict}) => verdict === 'problem' && subject !== 'claude' && subject !== 'coordinator',
  );
  if (fatal)
    throw new CoordinatorError('incompatible', `${destination}: ${fatal.subject}: ${fatal.detail}`, {
      hint: `${fatal.remedy ?? ''} Nothing was started.`.trim(),
    });
  return diagnosis;
}

/** Where the coordinator is as seen from here, and a token of its own for the machine. */
async function doorOf(
  options: ConnectOptions,
  name: string,
  io: CommandIo,
): Promise<Pick<Machine, 'url' | 'token' | 'caPin'>> {
  const connect = await namedCoordinator(options, io);
  if (connect === undefined) await ensureLocalCoordinator(userDirectories(io.env), io.env, systemClock);
  return withClient({...options, connect}, io, silentLogger, async (client, target) => {
    const {token, caPin} = await client.request('mcpx.token.create', {
      role: 'agent',
      ttlSeconds: TOKEN_SECONDS,
      label: `machine ${name}`,
    });
    return {url: target.url, token, ...(caPin === undefined ? {} : {caPin})};
  });
}

function nameOf(destination: string): string {
  const host = destination.slice(destination.lastIndexOf('@') + 1);
  return host.replace(/[^A-Za-z0-9_.-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'machine';
}
