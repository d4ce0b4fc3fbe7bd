/** A prompt task as options of the Agent SDK. Pure. */
import type {CanUseTool, Options, SpawnedProcess, SpawnOptions} from '@anthropic-ai/claude-agent-sdk';
import type {DriverTask, McpEndpoint, PromptOptions} from '../../driver.ts';
import {formatAttemptMarker} from '../../rehearsal/attemptMarker.ts';
import {PERMISSION_MODES} from './permissions.ts';

export interface ClaudeOptionsInput {
  readonly task: DriverTask;
  readonly prompt: PromptOptions;
  readonly executable: string;
  readonly canUseTool: CanUseTool;
  /** Where the conversation is kept. */
  readonly kept?: Partial<Options> | undefined;
  spawn(options: SpawnOptions): SpawnedProcess;
}

/** Longer than any tool of the hub waits: delegating to another agent takes its time. */
const MCP_TIMEOUT_MS = 24 * 60 * 60 * 1000;

export function claudeOptions({
  task,
  prompt,
  executable,
  canUseTool,
  kept,
  spawn,
}: ClaudeOptionsInput): Options {
  const {permissions, mcpServers} = prompt;
  const allowedServers = Object.keys(mcpServers ?? {}).map(name => `mcp__${name}`);
  return {
    cwd: task.worktree,
    env: {...task.env},
    pathToClaudeCodeExecutable: executable,
    spawnClaudeCodeProcess: spawn,
    // The project's CLAUDE.md, skills and settings belong to the work; the user's hold logins and habits.
    settingSources: ['user', 'project', 'local'],
    systemPrompt: {
      type: 'preset',
      preset: 'claude_code',
      append: systemPromptAppend(task, prompt),
      // A conversation that came from elsewhere has the prompt of that machine in it.
      ...(prompt.keeper?.resume ? {snapshot: false} : {}),
    },
    permissionMode: PERMISSION_MODES[permissions.mode],
    ...(permissions.mode === 'bypass' ? {allowDangerouslySkipPermissions: true} : {}),
    // As settings rather than as `allowedTools`, for which the SDK warns on our stderr.
    settings: {permissions: {allow: [...permissions.allow, ...allowedServers]}},
    disallowedTools: [...permissions.deny],
    canUseTool,
    forwardSubagentText: true,
    ...(prompt.model === undefined ? {} : {model: prompt.model}),
    ...(prompt.maxTurns === undefined ? {} : {maxTurns: prompt.maxTurns}),
    ...(prompt.budgetUsd === undefined ? {} : {maxBudgetUsd: prompt.budgetUsd}),
    ...kept,
    ...outputFormatOf(prompt),
    // Not on the command line, where every user of the machine could read the tokens.
    ...(mcpServers ? {mcpServers: mcpServersOf(mcpServers), mcpServersDelivery: 'initialize'} : {}),
  };
}

function systemPromptAppend(task: DriverTask, prompt: PromptOptions): string {
  const {taskId, attemptNumber, worktree} = task;
  const marker = formatAttemptMarker({taskId, attempt: attemptNumber ?? 1, worktree});
  return prompt.systemPromptAppend ? `${marker}\n\n${prompt.systemPromptAppend}` : marker;
}

function outputFormatOf({resultSchema}: PromptOptions): Pick<Options, 'outputFormat'> {
  if (resultSchema === undefined || resultSchema === null) return {};
  if (typeof resultSchema !== 'object' || Array.isArray(resultSchema)) return {};
  // Claude Code knows JSON Schema draft 7 and refuses to start on another draft's name.
  const {$schema: _draft, ...schema} = resultSchema;
  return {outputFormat: {type: 'json_schema', schema}};
}

function mcpServersOf(servers: Readonly<Record<string, McpEndpoint>>): Options['mcpServers'] {
  return Object.fromEntries(
    Object.entries(servers).map(([name, {url, headers}]) => [
      name,
      // Without alwaysLoad the tools hide behind a search; without the timeout a call ends after a minute.
      {type: 'http' as const, url, headers: {...headers}, alwaysLoad: true, timeout: MCP_TIMEOUT_MS},
    ]),
  );
}
