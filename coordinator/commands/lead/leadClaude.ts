/** The user's own Claude Code with the hub attached: its configuration in a file that only they can read, its signals and its exit code. */
import {spawn} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {HUB_SERVER} from '../../agent/delegation/mcpDoor.ts';
import type {McpEndpoint} from '../../agent/driver.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

export interface LeadClaude {
  readonly executable: string;
  readonly hub: McpEndpoint;
  /** What the fleet is and how it is used, for its system prompt. */
  readonly instructions: string;
  /** What the person begins with. */
  readonly goal: string | undefined;
  /** Of the person, passed on as they are. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Longer than any tool of the hub waits. */
const TOOL_TIMEOUT_MS = 24 * 60 * 60 * 1000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** As a shell says it of a process that a signal ended. */
const SIGNAL_EXIT: Readonly<Record<string, number>> = {SIGHUP: 129, SIGINT: 130, SIGKILL: 137, SIGTERM: 143};

/** Resolves with its exit code. The file is gone then. */
export async function runLeadClaude(claude: LeadClaude): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-lead-'));
  try {
    const file = path.join(folder, 'mcp.json');
    await writeFile(file, JSON.stringify(configuration(claude.hub)), {mode: 0o600, flag: 'wx'});
    return await run(claude, file);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

function configuration({url, headers}: McpEndpoint): object {
  return {
    mcpServers: {
      [HUB_SERVER]: {type: 'http', url, headers, alwaysLoad: true, timeout: TOOL_TIMEOUT_MS},
    },
  };
}

function run({executable, instructions, goal, args, cwd, env}: LeadClaude, file: string): Promise<number> {
  const own = [
    // With "=", since these options would take what follows for more of their values.
    `--mcp-config=${file}`,
    `--allowedTools=mcp__${HUB_SERVER}`,
    '--append-system-prompt',
    instructions,
  ];
  // After --, so that no option takes it for a value of its own, and it may begin with a dash.
  const begin = goal === undefined ? [] : ['--', goal];
  const child = spawn(executable, [...own, ...args, ...begin], {
    cwd,
    env: {...env},
    stdio: 'inherit',
  });
  // A terminal sends its signals to both of us: Claude Code decides what comes of them. What came to us alone is passed on.
  const passOn = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGINT') child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, passOn);
  return new Promise<number>((resolve, reject) => {
    child.once('error', error =>
      reject(new CoordinatorError('claude', `${executable} could not be started`, {cause: error})),
    );
    child.once('exit', (code, signal) => resolve(code ?? SIGNAL_EXIT[signal ?? ''] ?? 1));
  }).finally(() => {
    for (const signal of SIGNALS) process.off(signal, passOn);
  });
}
