/** What the tree reads of MCP servers: the coordinator's answers, sorted by kind. Pure. */
import type {MCPCapability, MCPServerInfo} from '../../../coordinator/protocol/commands/server.ts';
import type {Event} from '../../../coordinator/runtime/emitter.ts';

export interface ServerSource {
  /** By name. */
  readonly all: readonly MCPServerInfo[];
  readonly onChange: Event<void>;
  /** Resolves when what there is is known, or nobody can tell. */
  whenWhole(): Promise<void> | undefined;
  /** Whether somebody looks: then it is kept up to date. */
  watched(isWatched: boolean): void;
}

export const OFFER_PARTS = ['tools', 'resources', 'prompts'] as const;
export type OfferPart = (typeof OFFER_PARTS)[number];

const PARTS: Readonly<Record<MCPCapability['kind'], OfferPart>> = {
  tool: 'tools',
  resource: 'resources',
  resourceTemplate: 'resources',
  prompt: 'prompts',
};

/** In the server's order. */
export function offersOf({capabilities}: MCPServerInfo, part: OfferPart): readonly MCPCapability[] {
  return capabilities.filter(({kind}) => PARTS[kind] === part);
}
