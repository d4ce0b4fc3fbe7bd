/** Credentials of logins at MCP servers, in the store of the tenant: beside the records of servers, never in a view of them. */
import {WatchedRecords} from '../../effects/watchedRecords.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {parseRecord, RECORD_VERSION} from '../../protocol/model/record.ts';
import {ServerRecord} from '../../protocol/model/server.ts';
import {type LoginOutcome, ServerCredentials} from '../../protocol/model/serverOAuth.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {Emitter} from '../../runtime/emitter.ts';
import type {Principal} from '../../security/principal.ts';
import {absent, putRecord, readRecord, storedRecord, unchanged} from '../../store/records.ts';
import type {KeyValue} from '../../store/store.ts';
import type {ServerRecordsOptions} from '../serverRecords.ts';
import type {CredentialStore, KeptCredentials, Renewal} from './credentialStore.ts';

/** Longer than a renewal may take: a coordinator that dies in its midst holds the others up no longer. */
const RENEWAL_SECONDS = 60;

const MAX_TRIES = 8;

/** What cannot be read can be removed all the same. */
export function readableCredentials(kv: KeyValue): ServerCredentials | undefined {
  try {
    return parseRecord(ServerCredentials, kv.key, kv.value);
  } catch {
    return undefined;
  }
}

export interface CredentialRecordsOptions extends ServerRecordsOptions {
  readonly renewalSeconds?: number;
}

export class CredentialRecords implements CredentialStore, Disposable {
  private readonly watched: WatchedRecords<typeof ServerCredentials>;
  private readonly keys;
  private readonly logins = new Emitter<string>();

  /** A server's name, when somebody has logged in or out there; not when tokens are renewed. */
  readonly onLogin = this.logins.event;

  constructor(private readonly options: CredentialRecordsOptions) {
    this.keys = tenantKeys(options.tenant);
    const prefix = this.keys.serverCredentials;
    this.watched = new WatchedRecords({...options, schema: ServerCredentials, prefix});
    this.watched.onChange(({key, before, now}) => {
      if (before?.value.login !== now?.value.login) this.logins.emit(key.slice(prefix.length));
    });
  }

  start(): Promise<void> {
    return this.watched.start();
  }

  known(server: string): ServerCredentials | undefined {
    return this.watched.get(this.keys.serverCredential(server))?.value;
  }

  async read(server: string): Promise<KeptCredentials | undefined> {
    const kv = await this.options.store.get(this.keys.serverCredential(server));
    if (!kv) return undefined;
    this.watched.take(kv);
    return storedRecord(ServerCredentials, kv);
  }

  async renew(server: string, kept: KeptCredentials): Promise<Renewal | undefined> {
    const {store, renewalSeconds = RENEWAL_SECONDS} = this.options;
    const key = this.keys.serverCredential(server);
    const claim = this.keys.serverRenewal(server);
    const lease = await store.grantLease(renewalSeconds);
    const release = (): Promise<void> => store.revokeLease(lease.id);
    const mine = {key, modRevision: kept.modRevision};
    const claimed = await store
      .txn({
        compare: [unchanged(mine), absent(claim)],
        then: [{kind: 'put', key: claim, value: '', lease: lease.id}],
      })
      .catch(async (error: unknown) => {
        await release().catch(() => undefined);
        throw error;
      });
    if (!claimed.succeeded) {
      await release();
      return undefined;
    }
    return {
      release,
      finish: async next => {
        const {succeeded: kept} = await store.txn({
          compare: [unchanged(mine)],
          then: [putRecord(key, next)],
        });
        const now = await store.get(key);
        if (now) this.watched.take(now);
        await release();
        return kept;
      },
    };
  }

  /** The login of `principal`; whatever was kept goes. Errors: `notFound`: the server was taken away meanwhile. */
  async put(server: string, credentials: LoginOutcome, principal: Principal): Promise<void> {
    const {store, audit} = this.options;
    const key = this.keys.serverCredential(server);
    const value = {...credentials, v: RECORD_VERSION, principal: principal.id};
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const registered = await readRecord(store, ServerRecord, this.keys.server(server));
      if (!registered) throw new ProtocolError('notFound', `there is no MCP server ${server}`);
      const {succeeded} = await audit.auditedTxn(
        {compare: [unchanged(registered)], then: [putRecord(key, value)]},
        {
          ...{action: 'server.login', subject: `server ${server}`, principal, refusals: false},
          detail: {issuer: credentials.issuer, scope: credentials.scope ?? ''},
        },
      );
      if (succeeded) {
        await this.read(server);
        return;
      }
    }
    throw new ProtocolError('overloaded', `several people change the MCP server ${server} at once`);
  }

  /** What was kept, for whoever revokes it; undefined where it cannot be read. Errors: `notFound`: nobody is logged in; `overloaded`. */
  async remove(server: string, principal: Principal): Promise<ServerCredentials | undefined> {
    const {store, audit} = this.options;
    const key = this.keys.serverCredential(server);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const kv = await store.get(key);
      if (!kv) throw new ProtocolError('notFound', `nobody is logged in at the MCP server ${server}`);
      const {succeeded} = await audit.auditedTxn(
        {compare: [unchanged(kv)], then: [{kind: 'delete', key}]},
        {action: 'server.logout', subject: `server ${server}`, principal, refusals: false},
      );
      if (succeeded) return readableCredentials(kv);
    }
    throw new ProtocolError('overloaded', `several people change the MCP server ${server} at once`);
  }

  dispose(): void {
    this.watched.dispose();
    this.logins.dispose();
  }
}
