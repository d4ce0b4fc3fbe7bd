/** An error on its way from the host of a run to whoever started it: it arrives as what it was. */
import * as z from 'zod';
import {ERROR_CODES, type ErrorName, isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import {
  COORDINATOR_ERROR_CODES,
  CoordinatorError,
  describeError,
  isCoordinatorError,
} from '../../runtime/errors.ts';

const WIRE_NAMES = Object.keys(ERROR_CODES) as [ErrorName, ...ErrorName[]];

export const HostFault = z.discriminatedUnion('of', [
  z.object({
    of: z.literal('local'),
    code: z.enum(COORDINATOR_ERROR_CODES),
    message: z.string(),
    hint: z.string().optional(),
  }),
  z.object({of: z.literal('wire'), name: z.enum(WIRE_NAMES), message: z.string()}),
]);
export type HostFault = z.infer<typeof HostFault>;

/** What is neither is a bug of ours, and comes with its stack. */
export function hostFaultOf(error: unknown): HostFault {
  if (isCoordinatorError(error))
    return {of: 'local', code: error.code, message: describeError(error), hint: error.hint};
  if (isProtocolError(error)) return {of: 'wire', name: error.kind, message: error.message};
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {of: 'local', code: 'internal', message};
}

export function hostErrorOf(fault: HostFault): Error {
  if (fault.of === 'wire') return new ProtocolError(fault.name, fault.message);
  const {code, message, hint} = fault;
  return new CoordinatorError(code, message, hint === undefined ? {} : {hint});
}
