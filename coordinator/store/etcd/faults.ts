/** What an error of the etcd client means: which failures are answers, and which leave the outcome open. */
import {
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  EtcdUserNotFoundError,
  GRPCFailedPreconditionError,
  GRPCInvalidArgumentError,
  GRPCNotFoundError,
  GRPCOutOfRangeError,
  GRPCResourceExhastedError,
  GRPCUnauthenticatedError,
} from 'etcd3';

/**
 * `broken`: the connection or the member failed, and a write may or may not have been applied. Everything else is etcd's refusal: nothing was
 * applied. `exhausted` is a full database or too many requests, `outOfRange` a revision that is compacted or yet to come.
 */
export type EtcdFault = 'broken' | 'unauthorized' | 'notFound' | 'invalid' | 'outOfRange' | 'exhausted';

const FAULTS: readonly (readonly [new (message: string) => Error, EtcdFault])[] = [
  [EtcdAuthenticationFailedError, 'unauthorized'],
  [EtcdInvalidAuthTokenError, 'unauthorized'],
  [EtcdPermissionDeniedError, 'unauthorized'],
  [EtcdUserNotFoundError, 'unauthorized'],
  [GRPCUnauthenticatedError, 'unauthorized'],
  [EtcdLeaseInvalidError, 'notFound'],
  [GRPCNotFoundError, 'notFound'],
  [GRPCInvalidArgumentError, 'invalid'],
  // Password login at an etcd that has authentication switched off.
  [GRPCFailedPreconditionError, 'unauthorized'],
  [GRPCOutOfRangeError, 'outOfRange'],
  [GRPCResourceExhastedError, 'exhausted'],
];

export function faultOf(error: unknown): EtcdFault {
  return FAULTS.find(([kind]) => error instanceof kind)?.[1] ?? 'broken';
}
