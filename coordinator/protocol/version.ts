/** What this build speaks: the protocol version, the extension's identifier and the features a peer may rely on. */

/** Changes whenever the wire contract does; a test ties it to a hash of every schema in the method table. */
export const PROTOCOL_VERSION = '1.0';

/** The MCPX extension in MCP's `capabilities.extensions`. A breaking change gets a new identifier. */
export const EXTENSION_ID = 'dev.mcpx/orchestration';

/** Reserved `_meta` keys that carry the three parts of an MCPX message through plain MCP. */
export const META_KEYS = {
  orchestration: 'dev.mcpx/orchestration',
  coordination: 'dev.mcpx/coordination',
  distribution: 'dev.mcpx/distribution',
} as const;

/** WebSocket subprotocols, best first. `mcp` is what plain MCP clients offer. */
export const SUBPROTOCOLS = ['mcpx.v1', 'mcp'] as const;

export const FEATURES = [
  'sessions',
  'watch',
  'fence',
  'approvals',
  'transcripts',
  'artifacts',
  'checkpoints',
  'memory.fenced',
  'memory.sync',
  'memory.txn',
  'gates.command',
  'gates.schema',
  'gates.threshold',
  'gates.review',
  'gates.approval',
  /** A frame may be a JSON-RPC batch. Each of its messages is answered by itself, whenever it is done. */
  'frames.batch',
  /** One event may be for several watches of a connection. */
  'watch.shared',
] as const;
export type Feature = (typeof FEATURES)[number];

export const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
