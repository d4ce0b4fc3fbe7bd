/**
 * Which MCP servers there are and which fit: registration after validation and introspection, and requirements -> filter -> score -> rank over
 * what is known. Where records are kept and how servers are reached its ports say.
 */
import type {MCPRequirements, MCPServerInfo} from '../../protocol/commands/server.ts';
import {ServerDefinition} from '../../protocol/model/server.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Variables} from './expandVariables.ts';
import {rankServers} from './rankServers.ts';
import {validateServer} from './validateServer.ts';

/** What a server was seen to offer, and which lists it did not give. */
export type Introspection = Pick<MCPServerInfo, 'capabilities' | 'failedLists'>;

export interface MCPRegistry {
  listServers(): Promise<readonly MCPServerInfo[]>;
  /** Throws `conflict` for a name that is taken, unless it is to be replaced. */
  register(definition: ServerDefinition, seen: Introspection | undefined): Promise<MCPServerInfo>;
}

export interface MCPServiceDiscoveryParts {
  readonly registry: MCPRegistry;
  /** Connects, lists, and leaves; rejects with why it cannot. */
  readonly introspect: (definition: ServerDefinition) => Promise<Introspection>;
  readonly variables: Variables;
}

export class MCPServiceDiscovery {
  constructor(private readonly parts: MCPServiceDiscoveryParts) {}

  /** Servers that meet the requirements, the best first. */
  async discoverMCPServers(requirements: MCPRequirements): Promise<MCPServerInfo[]> {
    return rankServers(await this.parts.registry.listServers(), requirements);
  }

  /** Throws `config` for a server that is refused, with the reason: what, where, what to do. `check: false` does not connect to it. */
  async registerMCPServer(server: unknown, {check = true} = {}): Promise<MCPServerInfo> {
    const parsed = ServerDefinition.safeParse(server);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new CoordinatorError(
        'config',
        `an invalid MCP server: ${issue?.path.join('.')}: ${issue?.message}`,
      );
    }
    const definition = parsed.data;
    validateServer(definition, this.parts.variables);
    const {registry, introspect} = this.parts;
    if (!check) return registry.register(definition, undefined);
    let seen: Introspection;
    try {
      seen = await introspect(definition);
    } catch (cause) {
      // Somebody logs in when it is there: it can be reached.
      if (isCoordinatorError(cause, 'unauthorized'))
        return {...(await registry.register(definition, undefined)), state: 'needsLogin'};
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CoordinatorError('config', `the MCP server ${definition.name} is refused: ${reason}`, {
        hint: 'See that it starts by itself with this command or address, or register it unchecked (--no-check).',
      });
    }
    return registry.register(definition, seen);
  }
}
