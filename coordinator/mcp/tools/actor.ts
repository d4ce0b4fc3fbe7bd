/** Who a call of a tool acts for: a person or program with their own rights, or one attempt with those of its fence. */
import type {RequestOptions} from '../../client/connection.ts';
import type {McpxClient} from '../../client/mcpxClient.ts';
import type {Method, ParamsInput, Result} from '../../protocol/commands/table.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {AttemptCredential, AttemptGrant, Principal} from '../../security/principal.ts';
import type {HubClients} from './hubClients.ts';

/** Looks whether the attempt is current, in the store itself. Rejects with `staleFence`. */
export type AdmitAttempt = (credential: AttemptCredential, principal: Principal) => Promise<AttemptGrant>;

export interface Actor {
  readonly principal: Principal;
  readonly attempt: AttemptGrant | undefined;
  /** For views: of an attempt, what people see of its fleet. */
  readonly client: McpxClient;
  /** Sends a command with the rights of whoever acts. */
  request<M extends Method>(method: M, params: ParamsInput<M>, options?: RequestOptions): Promise<Result<M>>;
  dispose(): void;
}

/** Dispose of it after the call. Rejects with `staleFence` for an attempt that is over, `forbidden` for an agent's own token. */
export async function actorOf(
  principal: Principal,
  clients: HubClients,
  admit: AdmitAttempt,
): Promise<Actor> {
  if (principal.attempt) return attemptActor(principal, await admit(principal.attempt, principal), clients);
  if (principal.role === 'agent' || principal.role === 'peer')
    throw new ProtocolError(
      'forbidden',
      `the token of ${principal.role === 'agent' ? 'an agent' : 'a coordinator'} opens no tools: use a client's token, or one of an attempt`,
    );
  const held = clients.hold(principal);
  const {client} = held;
  return {
    principal,
    attempt: undefined,
    client,
    request: (method, params, options) => client.request(method, params, options),
    dispose: () => held.dispose(),
  };
}

function attemptActor(principal: Principal, attempt: AttemptGrant, clients: HubClients): Actor {
  const {tenant} = principal;
  const {agentId} = attempt;
  const sending = clients.hold({id: `agent:${agentId}`, tenant, role: 'agent', agentId});
  // Views are for people: what an attempt is shown of them is chosen tool by tool.
  const looking = clients.hold({id: `agent:${agentId}`, tenant, role: 'client'});
  return {
    principal,
    attempt,
    client: looking.client,
    request: (method, params, options) => sending.client.request(method, params, options),
    dispose() {
      looking.dispose();
      sending.dispose();
    },
  };
}

/** The session that a call is about: of an attempt its own and no other. */
export function sessionOf({attempt}: Actor, named: string | undefined): string {
  if (!attempt) {
    if (named !== undefined) return named;
    throw new ProtocolError('invalidParams', 'sessionId: name the session (sessions_list has them)');
  }
  if (named !== undefined && named !== attempt.sessionId)
    throw new ProtocolError(
      'forbidden',
      `attempt ${attempt.attemptId} works in session ${attempt.sessionId} and sees no other`,
    );
  return attempt.sessionId;
}
