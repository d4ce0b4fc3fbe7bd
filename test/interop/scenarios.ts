/** Runs the scenarios that a revision of the specification requires, with the conformance suite, and reads what became of each. */
import {spawn} from 'node:child_process';
import {readdir, readFile} from 'node:fs/promises';
import path from 'node:path';
import {parse} from 'yaml';
import type {Tools} from './tools.ts';

export type Revision = '2025-11-25' | '2026-07-28';

export interface ScenarioRun {
  readonly tools: Tools;
  readonly revision: Revision;
  /** A server's address, or a command that starts a client. */
  readonly subject: {readonly url: string} | {readonly command: string; readonly env?: NodeJS.ProcessEnv};
  /** Of the required scenarios those that are run, one at a time. Default: all, together. */
  readonly only?: (scenario: string) => boolean;
  /** In the place of those that are required. */
  readonly extensions?: readonly string[];
  /** Gets the results. */
  readonly folder: string;
}

export interface Verdict {
  readonly required: readonly string[];
  /** What was found wrong, by scenario. One that left no result is there too. */
  readonly faults: Readonly<Record<string, readonly string[]>>;
  readonly output: string;
}

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

interface Requirements {
  readonly server: readonly string[];
  readonly client: readonly string[];
}

/** Never rejects because of the subject. */
export async function runScenarios(run: ScenarioRun): Promise<Verdict> {
  const {tools, revision, subject, folder} = run;
  const role = 'url' in subject ? 'server' : 'client';
  const requirements = parse(
    await readFile(path.join(tools.requirements, `${revision}.yaml`), 'utf8'),
  ) as Requirements;
  const aim = 'url' in subject ? ['--url', subject.url] : ['--command', subject.command];
  const required = run.extensions ?? requirements[role].filter(run.only ?? (() => true));
  // Extensions are on no revision's list.
  const revised = run.extensions ? [] : ['--spec-version', revision];
  const choice =
    run.only || run.extensions
      ? required.map(scenario => ['--scenario', scenario, ...revised])
      : [['--requirements', revision]];
  let output = '';
  for (const chosen of choice) {
    const args = [tools.conformance, role, ...aim, ...chosen, '-o', folder];
    output += await outputOf(tools.node, args, 'url' in subject ? undefined : subject.env);
  }
  const results = await resultsIn(folder);
  const faults: Record<string, string[]> = {};
  for (const scenario of required) {
    const checks = results.get(role === 'server' ? `server-${scenario}` : scenario);
    const found = checks
      ?.filter(({status}) => status === 'FAILURE')
      .map(({id, errorMessage}) => `${id}: ${errorMessage ?? 'failed'}`);
    if (!found) faults[scenario] = ['it left no result'];
    else if (found.length > 0) faults[scenario] = found;
  }
  return {required, faults, output};
}

function outputOf(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(command, args, {stdio: ['ignore', 'pipe', 'pipe'], env: {...process.env, ...env}});
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => child.once('error', reject).once('close', () => resolve(output)));
}

/** Folders are named after scenario and time; names of scenarios may have slashes. */
async function resultsIn(folder: string): Promise<Map<string, Check[]>> {
  const results = new Map<string, Check[]>();
  for (const file of await readdir(folder, {recursive: true})) {
    if (path.basename(file) !== 'checks.json') continue;
    const name = path.dirname(file).replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, '');
    results.set(name, JSON.parse(await readFile(path.join(folder, file), 'utf8')) as Check[]);
  }
  return results;
}
