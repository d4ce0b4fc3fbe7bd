/** What processes of an attempt are handed beside the files: the results of the tasks that theirs depends on, and a place to leave a value. */
import {readFile, writeFile} from 'node:fs/promises';
import path from 'node:path';
import type {Result} from '../../protocol/commands/table.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import {systemErrorCode} from '../../runtime/errors.ts';
import type {JsonValue} from '../../runtime/json.ts';
import type {Workspace} from '../workspace/workspace.ts';
import {failed} from './attemptReport.ts';

export type Inputs = Result<'mcpx.coordinate.dependency.resolve'>;

/** A record holds it, with everything else that is reported. */
const MAX_VALUE_BYTES = 32 * 1024;

/** Beside the worktree, so that neither is committed. Resolves with the variables that name them. */
export async function handOver(
  workspace: Workspace,
  {results}: Pick<Inputs, 'results'>,
): Promise<Record<string, string>> {
  const inputs = inputsFile(workspace);
  const entries = results.map(({taskId, result: {summary, value, commit}}) => [
    taskId,
    {summary, value, commit},
  ]);
  await writeFile(inputs, `${JSON.stringify(Object.fromEntries(entries))}\n`, {mode: 0o600});
  return {MCPX_INPUTS: inputs, MCPX_RESULT: valueFile(workspace)};
}

/** With the value that the work left, where it gave none in another way. */
export async function withValue(report: AttemptReport, workspace: Workspace): Promise<AttemptReport> {
  if (report.outcome !== 'succeeded' || report.result.value !== undefined) return report;
  let text: string;
  try {
    text = await readFile(valueFile(workspace), 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return report;
    return failed('refused', `the value in MCPX_RESULT cannot be read: ${systemErrorCode(error)}`);
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_VALUE_BYTES)
    return failed(
      'refused',
      `the value in MCPX_RESULT has ${bytes} bytes, at most ${MAX_VALUE_BYTES} fit: leave large results in files of the worktree`,
    );
  return {...report, result: {...report.result, value: jsonOrText(text)}};
}

function jsonOrText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text.trimEnd();
  }
}

function inputsFile(workspace: Workspace): string {
  return path.join(path.dirname(workspace.path), 'inputs.json');
}

function valueFile(workspace: Workspace): string {
  return path.join(path.dirname(workspace.path), 'result.json');
}
