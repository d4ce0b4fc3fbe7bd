/** Drags a task onto an agent: the same as the command to reassign it, which asks what is to be asked. */
import * as vscode from 'vscode';
import {commandId} from '../contributions.ts';
import {Target} from '../target.ts';
import type {TreeElement} from './treeShell.ts';

/** Only text travels between two trees. */
const TASK_MIME = 'application/vnd.mcpx.task';

export const dragTasks: vscode.TreeDragAndDropController<TreeElement> = {
  dragMimeTypes: [TASK_MIME],
  dropMimeTypes: [],
  handleDrag: (source, transfer) => {
    const [element] = source.filter(({target}) => target?.kind === 'task');
    if (element) transfer.set(TASK_MIME, new vscode.DataTransferItem(JSON.stringify(element.target)));
  },
};

export const dropTasks: vscode.TreeDragAndDropController<TreeElement> = {
  dragMimeTypes: [],
  dropMimeTypes: [TASK_MIME],
  handleDrop: async (element, transfer) => {
    if (element?.target?.kind !== 'agent') return;
    const task = await draggedTask(transfer);
    if (task) await vscode.commands.executeCommand(commandId('reassignTask'), task, element.target);
  },
};

/** A window in a browser has an empty entry of the same type, before ours. */
async function draggedTask(transfer: vscode.DataTransfer): Promise<Target | undefined> {
  for (const [type, item] of transfer) {
    const text = type === TASK_MIME ? await item.asString() : '';
    if (text === '') continue;
    const task = Target.safeParse(JSON.parse(text));
    if (task.success && task.data.kind === 'task') return task.data;
  }
  return undefined;
}
