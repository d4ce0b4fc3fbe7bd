/** `mcpx doctor`: what this machine needs for MCPX, what is wrong, and how to mend it. */
import {mkdir, rm, statfs, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import path from 'node:path';
import type {Command} from 'commander';
import {AgentSettings} from '../agent/agentSettings.ts';
import {attemptEnvironment} from '../agent/claudeSetup/attemptEnvironment.ts';
import {probeClaude} from '../agent/claudeSetup/probeClaude.ts';
import {checkGit, Git} from '../artifacts/git/gitCommand.ts';
import {Settings} from '../config.ts';
import {describeError, isCoordinatorError} from '../runtime/errors.ts';
import {VERSION} from '../version.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type Directories, userDirectories} from './local/directories.ts';
import type {Endpoint} from './local/endpoint.ts';
import {findLocalCoordinator} from './local/localCoordinator.ts';

interface Finding {
  readonly subject: string;
  readonly verdict: 'ok' | 'warning' | 'problem';
  readonly detail: string;
  readonly remedy?: string | undefined;
}

const LEAST_FREE_BYTES = 1024 ** 3;

export function addDoctorCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const command = program
    .command('doctor')
    .description(
      'Checks git, Claude Code and its login, ports, disk and versions, and says how to mend what is wrong.',
    );
  jsonOption(command)
    .option('--settings', 'list every setting of a coordinator and of an agent with its default', false)
    .action(async (options: JsonOption & {settings: boolean}) =>
      done(options.settings ? listSettings(io) : await examine(options, io)),
    );
}

async function examine(options: JsonOption, io: CommandIo): Promise<number> {
  const directories = userDirectories(io.env);
  const findings = await Promise.all([
    node(),
    git(io),
    claude(io),
    port(),
    disk(directories),
    coordinator(directories),
  ]);
  const ok = findings.every(finding => finding.verdict !== 'problem');
  const marks = {ok: 'ok     ', warning: 'warning', problem: 'PROBLEM'};
  const lines = findings.flatMap(({subject, verdict, detail, remedy}) => [
    `${marks[verdict]}  ${subject}: ${detail}`,
    ...(remedy === undefined ? [] : [`         ${remedy}`]),
  ]);
  const {platform, arch} = process;
  const about = {ok, version: VERSION, node: process.versions.node, platform, arch};
  answer(io, options, {...about, findings}, `${lines.join('\n')}\n`);
  return ok ? EXIT.ok : EXIT.failed;
}

async function node(): Promise<Finding> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const recent = major > 20 || (major === 20 && minor >= 10);
  return {
    subject: 'versions',
    verdict: recent ? 'ok' : 'problem',
    detail: `mcpx ${VERSION}, Node ${process.versions.node}`,
    remedy: recent ? undefined : 'Install Node 20.10 or newer.',
  };
}

async function git(io: CommandIo): Promise<Finding> {
  try {
    return {subject: 'git', verdict: 'ok', detail: await checkGit(new Git('reading', io.env), io.cwd)};
  } catch (error) {
    return {
      subject: 'git',
      verdict: 'problem',
      detail: describeError(error),
      remedy: isCoordinatorError(error) ? error.hint : undefined,
    };
  }
}

/** Under the very environment that an attempt on this machine would get. */
async function claude(io: CommandIo): Promise<Finding> {
  const probe = await probeClaude({env: attemptEnvironment(io.env, {})});
  switch (probe.kind) {
    case 'ready':
      return {
        subject: 'claude',
        verdict: 'ok',
        detail: `${probe.version} at ${probe.path}, signed in by ${probe.authentication.method} (${probe.authentication.provider})`,
      };
    case 'missing':
      return {subject: 'claude', verdict: 'problem', detail: 'not found', remedy: probe.hint};
    case 'unauthenticated':
      return {
        subject: 'claude',
        verdict: 'warning',
        detail: `${probe.version} at ${probe.path} is not signed in; rehearsals and run tasks work`,
        remedy: probe.hint,
      };
    case 'broken':
      return {
        subject: 'claude',
        verdict: 'problem',
        detail: `${probe.path} does not work: ${probe.message}`,
        remedy: probe.hint,
      };
  }
}

function port(): Promise<Finding> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', error =>
      resolve({
        subject: 'ports',
        verdict: 'problem',
        detail: `cannot listen on 127.0.0.1: ${error.message}`,
        remedy: 'Allow this user to listen on loopback.',
      }),
    );
    server.listen(0, '127.0.0.1', () =>
      server.close(() => resolve({subject: 'ports', verdict: 'ok', detail: 'can listen on 127.0.0.1'})),
    );
  });
}

async function disk(directories: Directories): Promise<Finding> {
  const folder = path.dirname(directories.coordinator);
  try {
    await mkdir(folder, {recursive: true, mode: 0o700});
    const probe = path.join(folder, `.probe-${process.pid}`);
    await writeFile(probe, 'x', {flush: true});
    await rm(probe);
    const {bavail, bsize} = await statfs(folder);
    const free = bavail * bsize;
    const detail = `${folder}, ${(free / 1024 ** 3).toFixed(1)} GiB free`;
    if (free >= LEAST_FREE_BYTES) return {subject: 'disk', verdict: 'ok', detail};
    return {
      subject: 'disk',
      verdict: 'warning',
      detail,
      remedy:
        'Make room: worktrees and bundles need some, and a full disk stops the coordinator from acknowledging.',
    };
  } catch (error) {
    return {
      subject: 'disk',
      verdict: 'problem',
      detail: `cannot write in ${folder}: ${describeError(error)}`,
      remedy: 'Make it writable, or set MCPX_HOME to a folder that is.',
    };
  }
}

async function coordinator(directories: Directories): Promise<Finding> {
  let endpoint: Endpoint | undefined;
  try {
    endpoint = await findLocalCoordinator(directories);
  } catch (error) {
    return {subject: 'coordinator', verdict: 'problem', detail: describeError(error)};
  }
  if (!endpoint)
    return {subject: 'coordinator', verdict: 'ok', detail: 'none of yours runs here; mcpx run starts one'};
  const same = endpoint.version === VERSION;
  return {
    subject: 'coordinator',
    verdict: same ? 'ok' : 'warning',
    detail: `${endpoint.url}, pid ${endpoint.pid}, mcpx ${endpoint.version}`,
    remedy: same
      ? undefined
      : `It is of another version than this ${VERSION}: end it when it is idle (kill ${endpoint.pid}), and the next run starts the new one.`,
  };
}

function listSettings(io: CommandIo): number {
  for (const schema of [Settings, AgentSettings]) {
    const defaults: Readonly<Record<string, unknown>> = schema.parse({});
    if (schema === AgentSettings) io.stdout('\nOf an agent (mcpx agent --set NAME=VALUE):\n\n');
    for (const [name, {description}] of Object.entries(schema.shape)) {
      const value = defaults[name] === undefined ? '(not set)' : String(defaults[name]);
      io.stdout(`${name} = ${value}\n    ${description ?? ''}\n`);
    }
  }
  return EXIT.ok;
}
