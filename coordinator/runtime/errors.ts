/** Faults of our own process. Wire faults are `ProtocolError` in protocol/errors.ts; broken invariants are `assert`. */

export const COORDINATOR_ERROR_CODES = [
  'config',
  'corrupt',
  'unavailable',
  'diskFull',
  'closed',
  'cancelled',
  'timeout',
  'conflict',
  'limit',
  'unauthorized',
  'notFound',
  'incompatible',
  'git',
  'claude',
  'internal',
] as const;
export type CoordinatorErrorCode = (typeof COORDINATOR_ERROR_CODES)[number];

/** `message` says what happened and where; `hint` says what to do about it. */
export class CoordinatorError extends Error {
  override readonly name = 'CoordinatorError';
  readonly hint: string | undefined;

  constructor(
    readonly code: CoordinatorErrorCode,
    message: string,
    options: {cause?: unknown; hint?: string} = {},
  ) {
    super(message, options.cause === undefined ? undefined : {cause: options.cause});
    this.hint = options.hint;
  }
}

export function isCoordinatorError(error: unknown, code?: CoordinatorErrorCode): error is CoordinatorError {
  return error instanceof CoordinatorError && (code === undefined || error.code === code);
}

/** The message of whatever was thrown, with its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describeError(error.cause)}`;
}

/** The `code` of a Node system error such as ENOENT, or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
