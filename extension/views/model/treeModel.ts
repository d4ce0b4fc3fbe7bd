/** What a tree shows, without the editor: nodes by id, made when somebody looks at them. Pure. */
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import type {Event} from '../../../coordinator/runtime/emitter.ts';
import type {CommandName} from '../../contributions.ts';
import type {Target} from '../../target.ts';

export interface NodeIcon {
  /** Of the editor's own icons. */
  readonly id: string;
  /** A colour of the theme. */
  readonly color?: string;
}

/** What a click, or Enter, does. */
export interface NodeClick {
  readonly name: CommandName;
  readonly target: Target;
}

export interface TreeNode {
  /** Unique in its tree, and the same for as long as what it stands for. */
  readonly id: string;
  readonly label: string;
  readonly description?: string;
  /** What the icon says, for those who do not see it. */
  readonly spoken?: string;
  /** A line each. */
  readonly tooltip?: readonly string[];
  /** The model has more lines, for whoever points at it. */
  readonly moreTooltip?: true;
  readonly icon?: NodeIcon;
  /** As the `when` clauses of package.json read it. */
  readonly contextValue?: string;
  readonly target?: Target;
  readonly expansion: 'leaf' | 'collapsed' | 'expanded';
  readonly click?: NodeClick;
}

/** Nodes whose look or children may be others now; `all`: the roots too. */
export type Dirt = ReadonlySet<string> | 'all';

export interface TreeModel extends Disposable {
  readonly onDirty: Event<Dirt>;
  /** Ids in the order shown. Asked of what is drawn, each time it is drawn. */
  children(id: string | undefined): readonly string[];
  /** Undefined when it is gone. */
  node(id: string): TreeNode | undefined;
  parent(id: string): string | undefined;
  /** More lines for the tooltip of a node that says so. */
  moreTooltip?(id: string): Promise<readonly string[]>;
  /** Somebody looks below it: resolves when its children are known. */
  open(id: string | undefined): Promise<void> | undefined;
  /** Nobody does any more. */
  close(id: string): void;
  /** Whether the tree is on the screen: what is only for those who look rests meanwhile. */
  watched(isVisible: boolean): void;
  /** Time went by: what shows durations and ages is dirty. */
  tick(): void;
}
