/** Gateways of several coordinators over one store, with a person who logs in at their servers. */
import {CredentialRecords} from '../../../coordinator/gateway/oauth/credentialRecords.ts';
import {Logins} from '../../../coordinator/gateway/oauth/logins.ts';
import {revokeLogin} from '../../../coordinator/gateway/oauth/revocation.ts';
import {ServerRecords} from '../../../coordinator/gateway/serverRecords.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {Revocation} from '../../../coordinator/protocol/commands/server.ts';
import type {HttpEndpoint, ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {AuditLog} from '../../../coordinator/security/audit.ts';
import type {Principal} from '../../../coordinator/security/principal.ts';
import type {Store} from '../../../coordinator/store/store.ts';
import {type GatewayFixture, gatewayOf} from '../support.ts';
import {agreed} from './guardedServer.ts';

export const TENANT = 'default';
export const PERSON: Principal = {id: 'coordinator:person', tenant: TENANT, role: 'coordinator'};
export const REDIRECT = 'http://127.0.0.1:7/callback';

export interface LoginCoordinator extends GatewayFixture {
  readonly credentials: CredentialRecords;
  readonly records: ServerRecords;
  readonly logins: Logins;
  /** A person who agrees to everything. */
  login(server: ServerDefinition, scope?: string): Promise<void>;
  logout(server: ServerDefinition): Promise<Revocation>;
}

/** `writerId` names the coordinator. The servers are registered. */
export async function coordinatorOf(
  store: Store,
  writerId: string,
  servers: readonly ServerDefinition[],
  more: {renewalSeconds?: number} = {},
): Promise<LoginCoordinator> {
  const parts = {store, tenant: TENANT, clock: systemClock, logger: silentLogger};
  const audit = new AuditLog({...parts, writerId});
  const credentials = new CredentialRecords({...parts, audit, ...more});
  const records = new ServerRecords({...parts, audit});
  const logins = new Logins({clock: systemClock, random: systemRandom});
  await Promise.all([credentials.start(), records.start()]);
  for (const definition of servers) await records.put({definition, replace: true}, PERSON);
  const fixture = gatewayOf(servers, {}, undefined, credentials);
  credentials.onLogin(name => fixture.gateway.refresh(name));
  return {
    ...{...fixture, credentials, records, logins},
    async login(server, scope) {
      const {authorizationUrl} = await logins.begin({
        ...{server: server.name, endpoint: server.endpoint as HttpEndpoint, redirectUrl: REDIRECT, scope},
        before: credentials.known(server.name),
        challenge: fixture.gateway.get(server.name)?.legs.challenge,
        principal: PERSON.id,
      });
      const {iss, ...back} = await agreed(authorizationUrl);
      const outcome = await logins.finish({...back, iss, server: server.name, principal: PERSON.id});
      await credentials.put(server.name, outcome, PERSON);
    },
    async logout(definition) {
      const ended = {definition, credentials: await credentials.remove(definition.name, PERSON)};
      return revokeLogin(ended, fixture.gateway.options);
    },
    async stop() {
      await fixture.stop();
      logins.dispose();
      credentials.dispose();
      records.dispose();
    },
  };
}
