/** A request that needs more scope than was granted, in words that say what to do. */
import {InsufficientScopeError} from '@modelcontextprotocol/client';
import type {ServerDefinition} from '../../protocol/model/server.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

export function scopeRefusal(error: unknown): InsufficientScopeError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof InsufficientScopeError) return cause;
  return undefined;
}

export function scopeFault(
  {name, endpoint}: ServerDefinition,
  {requiredScope}: InsufficientScopeError,
): CoordinatorError {
  const scope = plainScope(requiredScope);
  const wanted = scope === undefined ? 'more scope than was granted' : `the scope "${scope}"`;
  const isOwn = endpoint.type !== 'stdio' && endpoint.oauth?.grant === 'client_credentials';
  const remedy = isOwn
    ? 'its registration limits the scope, register it with more'
    : `mcpx servers login ${name}${scope === undefined ? '' : ` --scope "${scope}"`}`;
  return new CoordinatorError(
    isOwn ? 'unavailable' : 'unauthorized',
    `the server ${name} wants ${wanted} for this, and did nothing: ${remedy}`,
  );
}

/** Of what a server says, what may stand in a command that a person copies. */
function plainScope(scope: string | undefined): string | undefined {
  const words = (scope ?? '').split(' ').filter(word => word !== '');
  return words.length > 0 && words.every(word => /^[A-Za-z0-9:._/+*~@-]{1,256}$/.test(word))
    ? words.join(' ')
    : undefined;
}
