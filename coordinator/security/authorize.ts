/** The one decision whether a principal may send a command. Whose attempt, session or record it is, the service behind the command checks. */
import {type Direction, type Method, methodSpec} from '../protocol/commands/table.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {Principal} from './principal.ts';

/** Roles that may send a method of this direction to a hub. */
const SENDERS: Readonly<Record<Direction, readonly Principal['role'][]>> = {
  clientToHub: ['client', 'coordinator'],
  agentToHub: ['agent'],
  peerToHub: ['client', 'agent', 'coordinator'],
  both: ['client', 'agent', 'coordinator'],
  hubToAgent: [],
  hubToClient: [],
  hubToHub: ['peer'],
};

/** Narrower than their direction. */
const EXCEPTIONS: Readonly<Partial<Record<Method, readonly Principal['role'][]>>> = {
  'mcpx.attempt.control': ['client', 'coordinator'],
  'mcpx.distribute.load.balance': ['client', 'coordinator'],
  // Who may mint a token may be anyone.
  'mcpx.token.create': ['coordinator'],
  // A coordinator reads for its own clients what comes in at another.
  'mcpx.transcript.read': ['client', 'coordinator', 'peer'],
  'mcpx.transcript.follow': ['client', 'coordinator', 'peer'],
};

/** What an agent may send before it has said which agent it is. */
const BEFORE_REGISTRATION: ReadonlySet<Method> = new Set([
  'mcpx.agent.register',
  'mcpx.cluster.info',
  'mcpx.cluster.addresses',
]);

/** Throws `forbidden`. `params` are the method's, parsed. */
export function authorize(principal: Principal, method: Method, params: object): void {
  const roles = EXCEPTIONS[method] ?? SENDERS[methodSpec(method).direction];
  if (!roles.includes(principal.role)) throw forbidden(`${principal.role} may not send ${method}`);
  if (principal.role !== 'agent') return;
  if (principal.agentId === undefined && !BEFORE_REGISTRATION.has(method))
    throw forbidden(`register before ${method}`);
  const named = namedAgent(method, params);
  if (named !== undefined && principal.agentId !== undefined && named !== principal.agentId)
    throw forbidden(`${principal.agentId} may not speak for ${named}`);
  const writes = method === 'mcpx.memory.put' || method === 'mcpx.memory.delete';
  if (writes && !('fence' in params && params.fence !== undefined))
    throw forbidden('an attempt writes memory under its fence');
}

/** As `authorize`, for the members of the store's cluster: who may change them can take the facts away from everybody. Throws `forbidden`. */
export function authorizeMembers({role}: Principal, action: 'look' | 'change'): void {
  if (role === 'coordinator' || (role === 'client' && action === 'look')) return;
  throw forbidden(`${role} may not ${action === 'look' ? 'see' : 'change'} the members of the cluster`);
}

function namedAgent(method: Method, params: object): string | undefined {
  if (method === 'mcpx.agent.register') {
    const {instance} = params as {instance: {id: string}};
    return instance.id;
  }
  return 'agentId' in params && typeof params.agentId === 'string' ? params.agentId : undefined;
}

function forbidden(message: string): ProtocolError {
  return new ProtocolError('forbidden', message);
}
