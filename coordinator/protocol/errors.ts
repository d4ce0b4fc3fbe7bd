/** Faults that travel: one code each, outside the range that JSON-RPC and MCP reserve (-32768..-32000). */

export const ERROR_CODES = {
  /** JSON-RPC's own. */
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** Ours. */
  unauthorized: 4010,
  forbidden: 4030,
  notFound: 4040,
  timeout: 4080,
  conflict: 4090,
  staleFence: 4091,
  incompatible: 4060,
  tooLarge: 4130,
  rateLimited: 4290,
  overloaded: 4291,
  cancelled: 4990,
  notAvailable: 5010,
  unavailable: 5030,
  agentDisconnected: 5031,
  draining: 5032,
  diskFull: 5070,
} as const;

export type ErrorName = keyof typeof ERROR_CODES;

const NAMES = new Map<number, ErrorName>(
  Object.entries(ERROR_CODES).map(([name, code]) => [code, name as ErrorName]),
);

export function errorName(code: number): ErrorName | undefined {
  return NAMES.get(code);
}

/** `data` is JSON that helps the receiver act: the field that is wrong, the fence that is current, when to retry. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: number;

  constructor(
    readonly kind: ErrorName,
    message: string,
    readonly data?: unknown,
  ) {
    super(message);
    this.code = ERROR_CODES[kind];
  }

  /** From a JSON-RPC error object; an unknown code becomes `internal` and keeps its number in the message. */
  static fromWire(error: {code: number; message: string; data?: unknown}): ProtocolError {
    const kind = errorName(error.code);
    return kind
      ? new ProtocolError(kind, error.message, error.data)
      : new ProtocolError('internal', `${error.message} (code ${error.code})`, error.data);
  }
}

export function isProtocolError(error: unknown, kind?: ErrorName): error is ProtocolError {
  return error instanceof ProtocolError && (kind === undefined || error.kind === kind);
}
