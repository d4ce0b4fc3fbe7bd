/** A process that takes one attempt from its inputs to its bundle, for a test that kills it at any of its calls of git. Arguments: folder, request as JSON. */
import {appendFileSync} from 'node:fs';
import path from 'node:path';
import {commitOf, Machine, SharedArtifacts} from './machine.ts';

const [folder = '', request = '{}'] = process.argv.slice(2);
const artifacts = new SharedArtifacts(path.join(folder, 'artifacts'));
const machine = new Machine(path.join(folder, 'one'), artifacts, {}, path.join(folder, 'git'));
const {workspace} = await machine.ready(JSON.parse(request));
appendFileSync(path.join(workspace.path, 'a.txt'), 'more\n');
await workspace.bundleResult(await commitOf(workspace));
await machine.workspaces.release(workspace.attemptId, {keep: false});
