/** What can be wrong with a server before anybody has connected to it. Pure. */
import type {ServerDefinition} from '../../protocol/model/server.ts';
import type {ServerOAuth} from '../../protocol/model/serverOAuth.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {expandEndpoint, type Variables} from './expandVariables.ts';

/** Throws `config`: which server, what is wrong where, and what to do. */
export function validateServer(definition: ServerDefinition, variables: Variables): void {
  const {name, endpoint, replicas} = definition;
  for (const [at, place] of [endpoint, ...replicas].entries()) {
    const where = `the MCP server ${name}, ${at === 0 ? 'endpoint' : `replicas[${at - 1}]`}`;
    if (place.type !== endpoint.type && (place.type === 'stdio' || endpoint.type === 'stdio'))
      throw new CoordinatorError(
        'config',
        `${where}: replicas of one server are all processes, or all addresses`,
      );
    let expanded: typeof place;
    try {
      expanded = expandEndpoint(place, variables);
    } catch (error) {
      if (!(error instanceof CoordinatorError)) throw error;
      throw new CoordinatorError('config', `${where}: ${error.message}`, {hint: error.hint});
    }
    if (expanded.type === 'stdio') continue;
    if (expanded.oauth) validateOAuth(expanded.oauth, where, at > 0);
    if (!URL.canParse(expanded.url) || !/^https?:$/.test(new URL(expanded.url).protocol))
      throw new CoordinatorError('config', `${where}: its url is no http:// or https:// address`);
  }
  if (definition.pool !== undefined && definition.shared === false)
    throw new CoordinatorError('config', `the MCP server ${name}: pool is for servers that are shared`, {
      hint: 'Leave pool or shared: false out.',
    });
}

function validateOAuth(oauth: ServerOAuth, where: string, isReplica: boolean): void {
  const refuse = (what: string, hint: string): never => {
    throw new CoordinatorError('config', `${where}: oauth: ${what}`, {hint});
  };
  const {grant, clientId, clientSecret, clientAuthentication, privateKey, clientMetadataUrl} = oauth;
  if ((clientSecret ?? privateKey) !== undefined && oauth.issuer === undefined)
    refuse(
      'clientSecret and privateKey need issuer: which authorization server they are for',
      'Name the one where the client is registered, as its metadata has it (https://login.example.org).',
    );
  const byKey = privateKey !== undefined || clientAuthentication === 'private_key_jwt';
  if (grant === 'client_credentials') {
    if (clientId === undefined || (clientSecret ?? privateKey) === undefined)
      refuse('client_credentials needs clientId, and clientSecret or privateKey', 'Add what is missing.');
    if (byKey && (privateKey === undefined || clientSecret !== undefined))
      refuse('private_key_jwt is a privateKey and no clientSecret', 'Name the one that the client has.');
    return;
  }
  if (isReplica)
    refuse(
      'a person logs in at one address, and this is a replica',
      'Use client_credentials, or register it as a server of its own.',
    );
  if (byKey) refuse('privateKey is for the grant client_credentials', 'Use clientSecret, or that grant.');
  if (clientSecret !== undefined && clientId === undefined)
    refuse('clientSecret without clientId', 'Add the id that the secret belongs to.');
  if (clientMetadataUrl === undefined) return;
  const url = URL.canParse(clientMetadataUrl) ? new URL(clientMetadataUrl) : undefined;
  if (url?.protocol !== 'https:' || url.pathname === '/')
    refuse('clientMetadataUrl is no https:// address with a path', 'Name the document itself.');
}
