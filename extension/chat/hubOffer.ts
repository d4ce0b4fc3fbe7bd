/** What of the connected coordinator is offered to the editor's own chat as an MCP server, and under which conditions. Pure. */
import type {Choice, LinkState} from '../connection/coordinatorLink.ts';

/** Path of the hub's MCP endpoint, on the coordinator's own address. */
const HUB_PATH = '/mcp';

export interface HubOffer {
  readonly label: string;
  readonly url: string;
  /** When it changes, the editor asks for the tools again. */
  readonly version: string;
  /** What a person agrees to: this machine's coordinator, or the one of a context. */
  readonly subject: string;
  /** PEM of an authority of its own, which the editor would refuse: it needs a relay. */
  readonly ca: string | undefined;
}

export interface OfferConditions {
  /** As the person has set it. */
  readonly isEnabled: boolean;
  /** Whoever may use the hub may have commands run. */
  readonly isTrusted: boolean;
}

/** A cut connection takes nothing back: the client comes back by itself, to the same coordinators. Undefined: nothing is offered. */
export function hubOffer(
  state: LinkState,
  chosen: Choice,
  {isEnabled, isTrusted}: OfferConditions,
): HubOffer | undefined {
  if (!isEnabled || !isTrusted) return undefined;
  if (state.kind !== 'connected' && state.kind !== 'reconnecting') return undefined;
  const {endpoint, client} = state;
  const address = new URL(HUB_PATH, client.connection.url.replace(/^ws/, 'http'));
  const isLocal = chosen.kind === 'local';
  return {
    label: isLocal ? 'MCPX' : `MCPX (${chosen.name})`,
    url: address.href,
    version: endpoint.version,
    subject: isLocal ? 'local' : `context:${chosen.name}`,
    ca: address.protocol === 'https:' ? endpoint.ca : undefined,
  };
}
