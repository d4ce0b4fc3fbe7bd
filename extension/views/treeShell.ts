/** Draws a tree model in the editor: elements with stable ids, a page of a long list at a time, and after a change only what it touched. */
import * as vscode from 'vscode';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../coordinator/runtime/disposable.ts';
import {commandId} from '../contributions.ts';
import type {Target} from '../target.ts';
import {Drawing} from './model/drawing.ts';
import type {Dirt, NodeClick, TreeModel, TreeNode} from './model/treeModel.ts';
import type {Words} from './model/words.ts';

/** Between two refreshes. */
const REFRESH_MS = 250;
/** Beyond these, what is not drawn any more is forgotten. */
const MOST_ELEMENTS = 20_000;

/** What the editor knows a node by, and what commands get: their target is in it. */
export interface TreeElement {
  readonly id: string;
  readonly target: Target | undefined;
}

export interface TreeShellOptions {
  readonly viewId: string;
  readonly model: TreeModel;
  readonly words: Words;
  readonly clock: Clock;
  readonly drag?: vscode.TreeDragAndDropController<TreeElement>;
}

export class TreeShell implements vscode.TreeDataProvider<TreeElement>, Disposable {
  readonly view: vscode.TreeView<TreeElement>;
  readonly onDidChangeTreeData: vscode.Event<TreeElement[] | undefined>;
  private readonly lifetime = new DisposableStore();
  private readonly fired: vscode.EventEmitter<TreeElement[] | undefined>;
  private readonly drawing: Drawing;
  private readonly model: TreeModel;
  /** The editor tells elements apart by identity. */
  private readonly elements = new Map<string, TreeElement>();
  private dirt: Set<string> | 'all' = new Set();
  private timer: Disposable = noDisposable;
  private waiting = false;

  constructor(private readonly options: TreeShellOptions) {
    const {model, viewId, words, drag} = options;
    this.model = model;
    this.drawing = new Drawing(model, words);
    this.fired = this.lifetime.add(new vscode.EventEmitter<TreeElement[] | undefined>());
    this.onDidChangeTreeData = this.fired.event;
    this.view = this.lifetime.add(
      vscode.window.createTreeView(viewId, {
        treeDataProvider: this,
        showCollapseAll: true,
        dragAndDropController: drag,
      }),
    );
    this.lifetime.add(model.onDirty(dirt => this.soil(dirt)));
    this.lifetime.add(this.view.onDidExpandElement(({element}) => this.expand(element.id)));
    this.lifetime.add(this.view.onDidCollapseElement(({element}) => model.close(element.id)));
    this.lifetime.add(this.view.onDidChangeVisibility(({visible}) => this.watch(visible)));
    this.lifetime.add(this.view.onDidChangeSelection(({selection}) => this.grow(selection)));
    model.watched(this.view.visible);
  }

  async getChildren(element?: TreeElement): Promise<TreeElement[]> {
    await this.model.open(element?.id);
    const ids = this.drawing.children(element?.id);
    if (this.elements.size > MOST_ELEMENTS)
      for (const each of this.elements.keys()) if (!this.drawing.isDrawn(each)) this.elements.delete(each);
    return ids.map(id => this.element(id));
  }

  getTreeItem({id}: TreeElement): vscode.TreeItem {
    const node = this.drawing.node(id);
    // Gone since its list was drawn: the list is drawn anew in a moment.
    return node ? treeItem(node) : new vscode.TreeItem('');
  }

  /** Asked of items without a tooltip, when somebody points at one. What cannot be had is left out. */
  async resolveTreeItem(item: vscode.TreeItem, {id}: TreeElement): Promise<vscode.TreeItem> {
    const node = this.model.node(id);
    if (!node?.moreTooltip) return item;
    const more = await this.model.moreTooltip?.(id).catch(() => []);
    item.tooltip = [...(node.tooltip ?? [node.label]), ...(more ?? [])].join('\n');
    return item;
  }

  getParent({id}: TreeElement): TreeElement | undefined {
    const parent = this.drawing.parent(id);
    return parent === undefined ? undefined : this.element(parent);
  }

  /** Shows the node, whatever page it is on. Nothing happens when it is gone. */
  async reveal(id: string, options?: {focus?: boolean; expand?: boolean}): Promise<void> {
    const path: string[] = [];
    for (let at: string | undefined = id; at !== undefined; at = this.model.parent(at)) path.unshift(at);
    await this.model.open(undefined);
    for (const each of path) {
      if (!this.model.node(each)) return;
      const parent = this.model.parent(each);
      if (this.drawing.reach(each))
        this.fired.fire(parent === undefined ? undefined : [this.element(parent)]);
      await this.model.open(each);
    }
    await this.view.reveal(this.element(id), {select: true, ...options});
  }

  dispose(): void {
    this.timer.dispose();
    this.lifetime.dispose();
    this.model.dispose();
  }

  private element(id: string): TreeElement {
    const known = this.elements.get(id);
    if (known) return known;
    const element = {id, target: this.model.node(id)?.target};
    this.elements.set(id, element);
    return element;
  }

  private soil(dirt: Dirt): void {
    if (dirt === 'all' || this.dirt === 'all') this.dirt = 'all';
    else for (const id of dirt) if (this.drawing.isDrawn(id)) this.dirt.add(id);
    const isClean = this.dirt !== 'all' && this.dirt.size === 0;
    if (isClean || this.waiting || !this.view.visible) return;
    this.waiting = true;
    this.timer = this.options.clock.schedule(REFRESH_MS, () => this.refresh());
  }

  private refresh(): void {
    this.waiting = false;
    const touched = this.drawing.touched(this.dirt);
    this.dirt = new Set();
    if (touched === 'all') this.fired.fire(undefined);
    else if (touched.length > 0) this.fired.fire(touched.map(id => this.element(id)));
  }

  private expand(id: string): void {
    const opened = this.model.open(id);
    // What is below it may have changed while it was closed, and the editor keeps what it drew.
    void opened?.then(() => this.soil(new Set(this.elements.keys())));
  }

  private watch(isVisible: boolean): void {
    this.model.watched(isVisible);
    if (isVisible) this.soil(new Set(this.elements.keys()));
  }

  /** Choosing "Show more" makes its list longer, and goes on with the first that came. */
  private grow([element]: readonly TreeElement[]): void {
    const growing = element && this.drawing.growing(element.id);
    if (!growing) return;
    const {parent} = growing;
    const before = this.model.children(parent);
    const at = before[this.drawing.children(parent).length - 1];
    this.drawing.showMore(parent);
    this.fired.fire(parent === undefined ? undefined : [this.element(parent)]);
    if (at !== undefined) void this.view.reveal(this.element(at), {select: true, focus: true});
  }
}

function treeItem(node: TreeNode): vscode.TreeItem {
  const item = new vscode.TreeItem(node.label, COLLAPSIBLE[node.expansion]);
  item.id = node.id;
  item.description = node.description;
  // Plain text: what others wrote is shown, not rendered.
  if (!node.moreTooltip) item.tooltip = node.tooltip?.join('\n') ?? node.label;
  item.contextValue = node.contextValue;
  item.command = node.click && clickCommand(node.click);
  // The description often says it better.
  const spoken = node.description?.startsWith(node.spoken ?? '') ? undefined : node.spoken;
  item.accessibilityInformation = {
    label: [node.label, spoken, node.description]
      .filter(text => text !== undefined && text !== '')
      .join(', '),
  };
  if (node.icon)
    item.iconPath = new vscode.ThemeIcon(
      node.icon.id,
      node.icon.color === undefined ? undefined : new vscode.ThemeColor(node.icon.color),
    );
  return item;
}

const COLLAPSIBLE: Readonly<Record<TreeNode['expansion'], vscode.TreeItemCollapsibleState>> = {
  leaf: vscode.TreeItemCollapsibleState.None,
  collapsed: vscode.TreeItemCollapsibleState.Collapsed,
  expanded: vscode.TreeItemCollapsibleState.Expanded,
};

function clickCommand(click: NodeClick): vscode.Command {
  return {command: commandId(click.name), title: '', arguments: [click.target]};
}
