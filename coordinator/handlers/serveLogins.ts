/** Logins of people at MCP servers that want OAuth: begun and finished here, kept in the store, used by every coordinator. */
import {expandEndpoint} from '../discovery/servers/expandVariables.ts';
import type {Gateway} from '../gateway/gateway.ts';
import type {CredentialRecords} from '../gateway/oauth/credentialRecords.ts';
import type {Logins} from '../gateway/oauth/logins.ts';
import {revokeLogin} from '../gateway/oauth/revocation.ts';
import type {ServerRecords} from '../gateway/serverRecords.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {HttpEndpoint} from '../protocol/model/server.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Services} from './services.ts';

export interface LoginServices {
  readonly gateway: Gateway;
  readonly records: ServerRecords;
  readonly credentials: CredentialRecords;
  readonly logins: Logins;
}

/** Give every handler before the hub listens. */
export function serveLogins({hub}: Pick<Services, 'hub'>, services: LoginServices): void {
  const {gateway, records, credentials, logins} = services;
  hub.handle('mcpx.server.login', async (params, {principal}) => {
    const {name} = params;
    if (params.step === 'begin') {
      const endpoint = endpointOf(services, name);
      const begun = await logins.begin({
        ...{server: name, endpoint, redirectUrl: params.redirectUrl, scope: params.scope},
        before: (await credentials.read(name))?.value,
        challenge: gateway.get(name)?.legs.challenge,
        principal: principal.id,
      });
      return {step: 'begin', ...begun};
    }
    const {state, code, iss} = params;
    const outcome = await logins.finish({server: name, state, code, iss, principal: principal.id});
    // It may have been registered anew meanwhile.
    if (outcome.url !== endpointOf(services, name).url)
      throw new ProtocolError('conflict', `the MCP server ${name} has another address now: log in again`);
    await credentials.put(name, outcome, principal);
    const {tokens, issuer, scope} = outcome;
    const granted = tokens.scope ?? scope;
    return {
      ...{step: 'finish', issuer, renewable: tokens.refresh_token !== undefined},
      ...(granted !== undefined && {scope: granted}),
      ...(tokens.expires_in !== undefined && {expiresIn: tokens.expires_in}),
    };
  });
  hub.handle('mcpx.server.logout', async ({name}, {principal}) => {
    const record = records.all().find(({definition}) => definition.name === name);
    if (!record) throw new ProtocolError('notFound', `there is no MCP server ${name}`);
    const {definition} = record;
    const ended = {definition, credentials: await credentials.remove(name, principal)};
    return {revocation: await revokeLogin(ended, gateway.options)};
  });
}

function endpointOf({gateway, records}: LoginServices, name: string): HttpEndpoint {
  const record = records.all().find(({definition}) => definition.name === name);
  if (!record) throw new ProtocolError('notFound', `there is no MCP server ${name}`);
  const {endpoint} = record.definition;
  if (endpoint.type === 'stdio')
    throw new ProtocolError(
      'invalidParams',
      `the MCP server ${name} is a process: what it needs to know is in its env`,
    );
  if (endpoint.oauth?.grant === 'client_credentials')
    throw new ProtocolError(
      'invalidParams',
      `nobody logs in at the MCP server ${name}: the hub has credentials of its own there`,
    );
  try {
    return expandEndpoint(endpoint, gateway.options.variables);
  } catch (error) {
    if (!isCoordinatorError(error, 'config')) throw error;
    throw new ProtocolError('invalidParams', `the MCP server ${name}: ${error.message}`);
  }
}
