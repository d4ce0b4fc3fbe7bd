/** Files of results, read only: `mcpx-result:/PATH?REPOSITORY/KIND/OBJECT`. They never change, so they can be shown again by a later window. */
import * as vscode from 'vscode';
import {describeError} from '../../coordinator/runtime/errors.ts';
import {SCHEMES} from '../contributions.ts';
import type {Change, Side} from './rawDiff.ts';
import {ReadOnlyFiles} from './readOnlyFiles.ts';
import type {ResultRepositories, ResultRepository} from './resultRepository.ts';

const QUERY = /^([0-9a-f]{16})\/(file|module)\/([0-9a-f]{40,64})$/;

const LOOKED_AT_BYTES = 8000;

export class ResultDocuments extends ReadOnlyFiles {
  constructor(private readonly repositories: ResultRepositories) {
    super();
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const {name, kind, object} = parsed(uri);
    const size = kind === 'module' ? moduleText(object).length : await this.size(uri, name, object);
    return {
      type: vscode.FileType.File,
      ctime: 0,
      mtime: 0,
      size,
      permissions: vscode.FilePermission.Readonly,
    };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const {name, kind, object} = parsed(uri);
    if (kind === 'module') return moduleText(object);
    try {
      const content = await this.repositories.known(name).read(object);
      return isBinary(content) ? binaryText(content, object) : content;
    } catch (error) {
      throw vscode.FileSystemError.Unavailable(describeError(error));
    }
  }

  private async size(uri: vscode.Uri, name: string, object: string): Promise<number> {
    const size = await this.repositories.known(name).size(object);
    if (size === undefined) throw vscode.FileSystemError.FileNotFound(uri);
    return size;
  }
}

/** As `vscode.changes` takes them: label, before, after. */
export type ShownChange = [vscode.Uri, vscode.Uri | undefined, vscode.Uri | undefined];

export function shownChanges(repository: ResultRepository, changes: readonly Change[]): ShownChange[] {
  return changes.flatMap(({before, after}): ShownChange[] => {
    const left = before && sideUri(repository, before);
    const right = after && sideUri(repository, after);
    const label = right ?? left;
    return label ? [[label, left, right]] : [];
  });
}

function sideUri({name}: ResultRepository, {path, kind, object}: Side): vscode.Uri {
  return vscode.Uri.from({
    scheme: SCHEMES.result,
    // The same on both sides, unless the file was renamed: by that the editor tells.
    path: `/${path}`,
    query: `${name}/${kind}/${object}`,
  });
}

function parsed(uri: vscode.Uri): {name: string; kind: string; object: string} {
  const [, name, kind, object] = QUERY.exec(uri.query) ?? [];
  if (name === undefined || kind === undefined || object === undefined)
    throw vscode.FileSystemError.FileNotFound(uri);
  return {name, kind, object};
}

/** As git tells. */
function isBinary(content: Uint8Array): boolean {
  return content.subarray(0, LOOKED_AT_BYTES).includes(0);
}

/** Different for different contents, so that a change is seen. */
function binaryText({length}: Uint8Array, object: string): Uint8Array {
  return new TextEncoder().encode(`${vscode.l10n.t('Binary file, {0} bytes, {1}', length, object)}\n`);
}

function moduleText(commit: string): Uint8Array {
  return new TextEncoder().encode(`Subproject commit ${commit}\n`);
}
