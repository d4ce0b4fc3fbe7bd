/** The tree of MCP servers behind the coordinator: server, then its tools, resources, prompts and places. Pure. */
import type {MCPServerInfo} from '../../../coordinator/protocol/commands/server.ts';
import {DisposableStore} from '../../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../../coordinator/runtime/emitter.ts';
import {
  type NodeRef,
  nodeRef,
  offerNodeId,
  SERVER_PARTS,
  type ServerPart,
  serverNodeId,
  serverPartId,
} from './nodeIds.ts';
import {offerNode, partNode, placeNode, serverNode} from './serverNodes.ts';
import {offersOf, type ServerSource} from './serverRows.ts';
import type {Dirt, TreeModel, TreeNode} from './treeModel.ts';
import type {Words} from './words.ts';

export class ServersModel implements TreeModel {
  private readonly lifetime = new DisposableStore();
  private readonly dirt = this.lifetime.add(new Emitter<Dirt>());
  private rows: ReadonlyMap<string, MCPServerInfo> = new Map();

  readonly onDirty: Event<Dirt> = this.dirt.event;

  constructor(
    private readonly source: ServerSource,
    private readonly words: Words,
  ) {
    this.read();
    this.lifetime.add(source.onChange(() => this.follow()));
  }

  children(id: string | undefined): readonly string[] {
    if (id === undefined) return [...this.rows.keys()].map(serverNodeId);
    const ref = nodeRef(id);
    const row = this.rowOf(ref);
    if (!row || !ref) return [];
    const {name} = row;
    if (ref.kind === 'server')
      return SERVER_PARTS.filter(part => namesIn(row, part).length > 0).map(part => serverPartId(name, part));
    if (ref.kind !== 'part') return [];
    return namesIn(row, ref.part).map(each => offerNodeId(name, ref.part, each));
  }

  node(id: string): TreeNode | undefined {
    const ref = nodeRef(id);
    const row = this.rowOf(ref);
    if (!row) return undefined;
    if (ref?.kind === 'server') return serverNode(row, this.children(id).length > 0, this.words);
    if (ref?.kind === 'part') {
      const count = namesIn(row, ref.part).length;
      return count === 0 ? undefined : partNode(row.name, ref.part, count, this.words);
    }
    if (ref?.kind !== 'offer') return undefined;
    const {part, name} = ref;
    if (part === 'places') {
      return namesIn(row, part).includes(name) ? placeNode(row, Number(name), this.words) : undefined;
    }
    const offer = offersOf(row, part).find(each => each.name === name);
    return offer && offerNode(row, part, offer, this.words);
  }

  parent(id: string): string | undefined {
    const ref = nodeRef(id);
    if (ref?.kind === 'part') return serverNodeId(ref.server);
    return ref?.kind === 'offer' ? serverPartId(ref.server, ref.part) : undefined;
  }

  open(id: string | undefined): Promise<void> | undefined {
    return id === undefined ? this.source.whenWhole() : undefined;
  }

  close(): void {}

  watched(isVisible: boolean): void {
    this.source.watched(isVisible);
  }

  /** Ages in tooltips. */
  tick(): void {
    if (this.rows.size > 0) this.dirt.emit(new Set([...this.rows.keys()].map(serverNodeId)));
  }

  dispose(): void {
    this.lifetime.dispose();
  }

  private rowOf(ref: NodeRef | undefined): MCPServerInfo | undefined {
    return ref && 'server' in ref ? this.rows.get(ref.server) : undefined;
  }

  private follow(): void {
    const before = [...this.rows.keys()].join();
    const known = this.ids();
    this.read();
    const isSame = [...this.rows.keys()].join() === before;
    // The shell tells which of them look different.
    this.dirt.emit(isSame ? new Set([...known, ...this.ids()]) : 'all');
  }

  private read(): void {
    this.rows = new Map(this.source.all.map(row => [row.name, row]));
  }

  /** Of everything that may be drawn. */
  private ids(): string[] {
    return [...this.rows].flatMap(([name, row]) => [
      serverNodeId(name),
      ...SERVER_PARTS.flatMap(part => [
        serverPartId(name, part),
        ...namesIn(row, part).map(each => offerNodeId(name, part, each)),
      ]),
    ]);
  }
}

/** Of what is below a part. A server in one place is itself that place. */
function namesIn(row: MCPServerInfo, part: ServerPart): readonly string[] {
  if (part !== 'places') return offersOf(row, part).map(({name}) => name);
  const count = 1 + row.definition.replicas.length;
  return count < 2 ? [] : Array.from({length: count}, (_, index) => String(index));
}
