/** Task ids of a plan as symbols: definition, references, renaming, and the outline. */
import * as vscode from 'vscode';
import {USER_TASK_ID} from '../../coordinator/protocol/ids.ts';
import {mentionsAt, type TaskMentions, type TaskOutline, taskOf} from './outline.ts';
import {outlineOf, PLAN_DOCUMENTS, rangeOf} from './planDocuments.ts';

export function offerNavigation(): vscode.Disposable {
  const {languages} = vscode;
  return vscode.Disposable.from(
    languages.registerDefinitionProvider(PLAN_DOCUMENTS, {
      provideDefinition(document, position) {
        const definition = mentions(document, position)?.definition;
        return definition && new vscode.Location(document.uri, rangeOf(document, definition));
      },
    }),
    languages.registerReferenceProvider(PLAN_DOCUMENTS, {
      provideReferences(document, position, {includeDeclaration}) {
        const found = mentions(document, position);
        return allOf(found, includeDeclaration).map(
          mention => new vscode.Location(document.uri, rangeOf(document, mention)),
        );
      },
    }),
    languages.registerRenameProvider(PLAN_DOCUMENTS, {
      prepareRename(document, position) {
        const found = mentions(document, position);
        if (!found?.definition) throw new Error(vscode.l10n.t('Only ids of tasks can be renamed.'));
        return {range: rangeOf(document, found.here), placeholder: found.id};
      },
      provideRenameEdits: renameTask,
    }),
    languages.registerDocumentSymbolProvider(PLAN_DOCUMENTS, {provideDocumentSymbols: symbolsOf}),
  );
}

function mentions(document: vscode.TextDocument, position: vscode.Position): TaskMentions | undefined {
  return mentionsAt(outlineOf(document), document.offsetAt(position));
}

function allOf(found: TaskMentions | undefined, withDefinition: boolean): TaskMentions['references'] {
  if (!found) return [];
  return withDefinition && found.definition ? [found.definition, ...found.references] : found.references;
}

function renameTask(
  document: vscode.TextDocument,
  position: vscode.Position,
  name: string,
): vscode.WorkspaceEdit | undefined {
  const found = mentions(document, position);
  if (!found) return undefined;
  if (!USER_TASK_ID.test(name))
    throw new Error(
      vscode.l10n.t('A task id is 1 to 64 letters, digits, "_" and "-", and starts with a letter or digit.'),
    );
  if (name !== found.id && taskOf(outlineOf(document), name))
    throw new Error(vscode.l10n.t('Another task is called {0}.', name));
  const edit = new vscode.WorkspaceEdit();
  for (const mention of allOf(found, true)) edit.replace(document.uri, rangeOf(document, mention), name);
  return edit;
}

function symbolsOf(document: vscode.TextDocument): vscode.DocumentSymbol[] {
  return outlineOf(document).tasks.map(task => taskSymbol(document, task));
}

function taskSymbol(
  document: vscode.TextDocument,
  {id, index, title, text, work, span, gates}: TaskOutline,
): vscode.DocumentSymbol {
  const range = rangeOf(document, span);
  const symbol = new vscode.DocumentSymbol(
    id?.id || vscode.l10n.t('task {0}', index + 1),
    title ?? text.split('\n', 1)[0] ?? '',
    work === 'run' ? vscode.SymbolKind.Event : vscode.SymbolKind.Function,
    range,
    id ? rangeOf(document, id) : range,
  );
  symbol.children = gates.map(gate => {
    const place = rangeOf(document, gate);
    return new vscode.DocumentSymbol(gate.name, vscode.l10n.t('gate'), vscode.SymbolKind.Key, place, place);
  });
  return symbol;
}
