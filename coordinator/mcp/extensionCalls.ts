/** Commands of MCPX from an MCP client that declared the extension: those that need no connection, run as they are for everybody else. */
import type {JSONRPCRequest, ServerContext} from '@modelcontextprotocol/server';
import type {CallInfo, IncomingCall} from '../bridge/peer.ts';
import {parseParams} from '../bridge/wireErrors.ts';
import {type Caller, localCaller} from '../hub/caller.ts';
import {isMethod, METHODS} from '../protocol/commands/table.ts';
import {decodeContext} from '../protocol/envelope.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {Principal} from '../security/principal.ts';

export type DispatchCommand = (
  call: Pick<IncomingCall, 'method' | 'params'>,
  caller: Caller,
) => Promise<object>;

/** Throws `methodNotFound`, `invalidParams`, `notAvailable`, or what the command does. */
export async function runCommand(
  dispatch: DispatchCommand,
  principal: Principal,
  {method, params}: JSONRPCRequest,
  {mcpReq}: ServerContext,
): Promise<Record<string, unknown>> {
  if (!isMethod(method) || 'notification' in METHODS[method])
    throw new ProtocolError('methodNotFound', `method ${method.slice(0, 128)} is not known here`);
  if ('later' in METHODS[method])
    throw new ProtocolError('notAvailable', `${method} is not available in this version`);
  const {body, context} = decodeContext(params);
  const call = {method, params: parseParams(method, body)} as Pick<IncomingCall, 'method' | 'params'>;
  return {...(await dispatch(call, unconnectedCaller(principal, {context, signal: mcpReq.signal}, method)))};
}

/** A command that wants to send something later, or to know when its caller goes, cannot have that here. */
function unconnectedCaller(principal: Principal, info: Partial<CallInfo>, method: string): Caller {
  const refuse = (): never => {
    throw new ProtocolError(
      'notAvailable',
      `${method} needs a connection that stays: send it over a WebSocket with the subprotocol mcpx.v1`,
    );
  };
  return {
    ...localCaller(principal, info),
    get connectionId() {
      return refuse();
    },
    get outbox() {
      return refuse();
    },
    notify: refuse,
    onClose: refuse,
  };
}
