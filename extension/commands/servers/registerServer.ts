/** One registration of an MCP server, for whichever command. */
import type {ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import type {Services} from '../../services.ts';

/** A server that is fetched before it starts takes its time. */
const REGISTER_MS = 180_000;

export interface RegisterOptions {
  /** It is connected to first, and refused with `invalidParams` when it does not answer. */
  readonly check: boolean;
  readonly replace: boolean;
  readonly signal?: AbortSignal;
}

export async function registerServer(
  {link}: Services,
  definition: ServerDefinition,
  {check, replace, signal}: RegisterOptions,
): Promise<void> {
  await link
    .requireClient()
    .request('mcpx.server.register', {definition, check, replace}, {timeoutMs: REGISTER_MS, signal});
}
