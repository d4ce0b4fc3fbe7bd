/** The documents of this window: shared memory, files of results, why tasks ran where they did, and how MCP servers are registered. */
import path from 'node:path';
import type * as vscode from 'vscode';
import {describeError} from '../../coordinator/runtime/errors.ts';
import type {Services} from '../services.ts';
import {artifactSource} from './artifactSource.ts';
import {PlacementDocuments} from './placementDocuments.ts';
import {pruneResults} from './pruneResults.ts';
import {ResultDocuments} from './resultDocuments.ts';
import {ResultRepositories} from './resultRepository.ts';
import {Results} from './results.ts';
import {ServerDocuments} from './serverDocuments.ts';
import {StateDocuments} from './stateDocuments.ts';

export interface Documents {
  readonly memory: vscode.FileSystemProvider;
  readonly results: vscode.FileSystemProvider;
  readonly placements: vscode.FileSystemProvider;
  readonly servers: ServerDocuments;
  readonly shown: Results;
}

export function openDocuments(services: Services): Documents {
  const {context, fleet, link, program, clock, logger} = services;
  const source = artifactSource(() => link.artifacts);
  const results = path.join(context.globalStorageUri.fsPath, 'results');
  const conflicts = path.join(context.globalStorageUri.fsPath, 'conflicts');
  const repositories = new ResultRepositories({
    folder: results,
    env: program.environment(),
    source,
    clock,
    // What cannot be deleted stays; what was asked for is shown all the same.
    prune: () =>
      pruneResults({results, conflicts, now: clock.wallNow()}).catch((error: unknown) =>
        logger.warn('old results could not be deleted', {error: describeError(error)}),
      ),
  });
  const state = new StateDocuments(services);
  const files = new ResultDocuments(repositories);
  const placements = new PlacementDocuments(services);
  const servers = new ServerDocuments(services);
  context.subscriptions.push(
    state,
    files,
    placements,
    servers,
    fleet.onChange(({part}) => {
      if (part === 'reset') state.reset();
    }),
  );
  return {memory: state, results: files, placements, servers, shown: new Results(repositories, source)};
}
