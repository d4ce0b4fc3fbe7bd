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
  // What is dialled works as an agent, as with a token.
  'mcpx.agent.dial': ['coordinator'],
  // Whoever adds a server runs commands on the coordinators' machines.
  'mcpx.server.register': ['coordinator'],
  'mcpx.server.remove': ['coordinator'],
  'mcpx.server.access': ['coordinator'],
  // It is the login of all clients.
  'mcpx.server.login': ['coordinator'],
  'mcpx.server.logout': ['coordinator'],
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

const WRITES: ReadonlySet<Method> = new Set(['mcpx.memory.put', 'mcpx.memory.delete', 'mcpx.memory.txn']);

/** Throws `forbidden`. `params` are the method's, parsed. */
export function authorize(principal: Principal, method: Method, params: object): void {
  if (principal.attempt)
    throw forbidden(`the token of an attempt opens the hub's tools, and does not send ${method}`);
  const roles = EXCEPTIONS[method] ?? SENDERS[methodSpec(method).direction];
  if (!roles.includes(principal.role)) throw forbidden(`${principal.role} may not send ${method}`);
  if (principal.role !== 'agent') return;
  if (principal.agentId === undefined && !BEFORE_REGISTRATION.has(method))
    throw forbidden(`register before ${method}`);
  const named = namedAgent(method, params);
  if (named !== undefined && principal.agentId !== undefined && named !== principal.agentId)
    throw forbidden(`${principal.agentId} may not speak for ${named}`);
  const writes = WRITES.has(method);
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
