/** The documents of this window: shared memory, and files of results. */
import path from 'node:path';
import * as vscode from 'vscode';
import {SCHEMES} from '../contributions.ts';
import type {Services} from '../services.ts';
import {artifactSource} from './artifactSource.ts';
import {ResultDocuments} from './resultDocuments.ts';
import {ResultRepositories} from './resultRepository.ts';
import {Results} from './results.ts';
import {StateDocuments} from './stateDocuments.ts';

export interface Documents {
  readonly results: Results;
}

export function openDocuments(services: Services): Documents {
  const {context, fleet, link, program} = services;
  const source = artifactSource(() => link.artifacts);
  const repositories = new ResultRepositories({
    folder: path.join(context.globalStorageUri.fsPath, 'results'),
    env: program.environment(),
    source,
  });
  const state = new StateDocuments(services);
  const files = new ResultDocuments(repositories);
  context.subscriptions.push(
    state,
    files,
    fleet.onChange(({part}) => {
      if (part === 'reset') state.reset();
    }),
    vscode.workspace.registerFileSystemProvider(SCHEMES.memory, state, {isCaseSensitive: true}),
    vscode.workspace.registerFileSystemProvider(SCHEMES.result, files, {
      isCaseSensitive: true,
      isReadonly: true,
    }),
  );
  return {results: new Results(repositories, source)};
}
