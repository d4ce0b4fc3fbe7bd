/** The settings of the person, typed. */
import * as vscode from 'vscode';
import type {Settings} from './contributions.ts';

/** The default stands in package.json. */
export function setting<K extends keyof Settings>(name: K): Settings[K] {
  const value = vscode.workspace.getConfiguration('mcpx').get<Settings[K]>(name);
  if (value === undefined) throw new Error(`package.json has no default for mcpx.${name}`);
  return value;
}
