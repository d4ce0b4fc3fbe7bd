/** What of a model is drawn at present: pages of long lists, and which drawn nodes a change really touches. Pure. */
import type {Dirt, TreeModel, TreeNode} from './treeModel.ts';
import type {Words} from './words.ts';

/** Of one list at once. */
export const PAGE = 200;

const ROOT = '';
const MORE = 'more:';

export class Drawing {
  /** Parent -> what of its children is drawn. */
  private readonly lists = new Map<string, readonly string[]>();
  private readonly parents = new Map<string, string>();
  /** How each looked when it was drawn last. */
  private readonly looks = new Map<string, string>();
  private readonly shown = new Map<string, number>();

  constructor(
    private readonly model: TreeModel,
    private readonly words: Words,
  ) {}

  /** The page of children, drawn from now on; the last of them may offer more. */
  children(id: string | undefined): readonly string[] {
    const key = id ?? ROOT;
    const page = this.page(key);
    for (const gone of this.lists.get(key) ?? []) if (!page.includes(gone)) this.forget(gone);
    this.lists.set(key, page);
    for (const child of page) this.parents.set(child, key);
    return page;
  }

  /** Undefined when it is gone. */
  node(id: string): TreeNode | undefined {
    const node = id.startsWith(MORE) ? this.moreNode(id) : this.model.node(id);
    if (node) this.looks.set(id, JSON.stringify(node));
    return node;
  }

  parent(id: string): string | undefined {
    if (!id.startsWith(MORE)) return this.model.parent(id);
    return id.slice(MORE.length) || undefined;
  }

  /** The list that gets longer when this node is chosen. Undefined: it is no such node. */
  growing(id: string): {readonly parent: string | undefined} | undefined {
    return id.startsWith(MORE) ? {parent: id.slice(MORE.length) || undefined} : undefined;
  }

  showMore(parent: string | undefined): void {
    const key = parent ?? ROOT;
    this.shown.set(key, this.limit(key) + PAGE);
  }

  /** Makes its parent's list long enough to have it. True when it had to grow. */
  reach(id: string): boolean {
    const parent = this.model.parent(id);
    const key = parent ?? ROOT;
    const index = this.model.children(parent).indexOf(id);
    if (index < this.limit(key)) return false;
    this.shown.set(key, Math.ceil((index + 1) / PAGE) * PAGE);
    return true;
  }

  isDrawn(id: string): boolean {
    return this.parents.has(id);
  }

  /** What must be drawn anew: those that look different or have other children, and none below another of them. */
  touched(dirt: Dirt): readonly string[] | 'all' {
    if (dirt === 'all') return this.lists.has(ROOT) ? 'all' : [];
    const changed = new Set<string>();
    for (const id of dirt) if (this.parents.has(id) && this.isChanged(id)) changed.add(id);
    return [...changed].filter(id => !this.hasAncestorIn(id, changed));
  }

  private isChanged(id: string): boolean {
    const node = this.model.node(id);
    // Its parent's list tells that it is gone.
    if (!node) return false;
    const list = this.lists.get(id);
    if (list && !sameList(list, this.page(id))) return true;
    const look = JSON.stringify(node);
    return look !== this.looks.get(id);
  }

  private hasAncestorIn(id: string, set: ReadonlySet<string>): boolean {
    for (
      let above = this.parents.get(id);
      above !== undefined && above !== ROOT;
      above = this.parents.get(above)
    )
      if (set.has(above)) return true;
    return false;
  }

  private page(key: string): readonly string[] {
    const all = this.model.children(key === ROOT ? undefined : key);
    const limit = this.limit(key);
    return all.length <= limit ? all : [...all.slice(0, limit), `${MORE}${key}`];
  }

  private limit(key: string): number {
    return this.shown.get(key) ?? PAGE;
  }

  private moreNode(id: string): TreeNode {
    const key = id.slice(MORE.length);
    const left = this.model.children(key === ROOT ? undefined : key).length - this.limit(key);
    return {
      id,
      label: this.words.t('Show {0} more', Math.min(PAGE, left)),
      description: this.words.t('{0} left', left),
      icon: {id: 'ellipsis'},
      expansion: 'leaf',
    };
  }

  private forget(id: string): void {
    for (const child of this.lists.get(id) ?? []) this.forget(child);
    this.lists.delete(id);
    this.parents.delete(id);
    this.looks.delete(id);
    this.shown.delete(id);
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
