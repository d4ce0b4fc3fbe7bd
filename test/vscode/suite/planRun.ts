/** A plan that is run by one of the extension's commands, watched to its end. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import {nextEvent} from './awaiting.ts';

const RUN_LIMIT_MS = 240_000;

export interface PlanRun {
  readonly exitCode: number | undefined;
  /** All that its terminal shows when it is over. */
  readonly output: string;
}

/** `start` runs the plan that is open. */
export async function watchRun(start: () => Thenable<unknown>): Promise<PlanRun> {
  const ended = nextEvent(
    vscode.tasks.onDidEndTaskProcess,
    ({execution}) => execution.task.source === 'mcpx',
    'the run to end',
    RUN_LIMIT_MS,
  );
  await start();
  const {exitCode} = await ended;
  return {exitCode, output: await terminalText()};
}

async function terminalText(): Promise<string> {
  assert.ok(vscode.window.activeTerminal, 'no terminal is open');
  await vscode.commands.executeCommand('workbench.action.terminal.selectAll');
  await vscode.commands.executeCommand('workbench.action.terminal.copySelection');
  await vscode.commands.executeCommand('workbench.action.terminal.clearSelection');
  return await vscode.env.clipboard.readText();
}
