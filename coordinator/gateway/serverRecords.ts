/** Registered servers in the store of the tenant: every coordinator knows them and runs them for its own clients. */
import {WatchedRecords} from '../effects/watchedRecords.ts';
import type {Logger} from '../observability/logger.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {tenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {type AccessRule, type ServerDefinition, ServerRecord} from '../protocol/model/server.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {absent, putRecord, readRecord, unchanged} from '../store/records.ts';
import type {Compare, Op, Store} from '../store/store.ts';
import {readableCredentials} from './oauth/credentialRecords.ts';
import type {EndedLogin} from './oauth/revocation.ts';

export interface ServerRecordsOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PutServer {
  readonly definition: ServerDefinition;
  readonly source?: ServerRecord['source'];
  readonly replace: boolean;
}

export interface ServerPut {
  readonly record: ServerRecord;
  /** Of the login at the address that it had before. */
  readonly ended: EndedLogin | undefined;
}

const MAX_SERVERS = 500;
const MAX_TRIES = 8;

export class ServerRecords implements Disposable {
  private readonly watched: WatchedRecords<typeof ServerRecord>;
  private readonly keys;

  constructor(private readonly options: ServerRecordsOptions) {
    this.keys = tenantKeys(options.tenant);
    this.watched = new WatchedRecords({...options, schema: ServerRecord, prefix: this.keys.servers});
  }

  start(): Promise<void> {
    return this.watched.start();
  }

  onChange(listener: () => void): Disposable {
    return this.watched.onChange(listener);
  }

  /** As this coordinator knows them, by name. */
  all(): ServerRecord[] {
    return [...this.watched.all()]
      .map(({value}) => value)
      .sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1));
  }

  /** Errors: `conflict` (the name is taken), `overloaded`, `tooLarge`. */
  async put({definition, source, replace}: PutServer, principal: Principal): Promise<ServerPut> {
    const {store, audit, clock} = this.options;
    const key = this.keys.server(definition.name);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const before = await readRecord(store, ServerRecord, key);
      if (before && !replace)
        throw new ProtocolError(
          'conflict',
          `there is an MCP server ${definition.name} already: give this one another name, or replace it`,
        );
      if (!before && this.all().length >= MAX_SERVERS)
        throw new ProtocolError('overloaded', `${MAX_SERVERS} MCP servers are registered, as many as may be`);
      const value: ServerRecord = {
        ...before?.value,
        v: RECORD_VERSION,
        principal: principal.id,
        definition,
        source,
        discoveredAt: clock.wallNow(),
      };
      // A file that is read again says the same.
      if (before && sameServer(before.value, value)) return {record: before.value, ended: undefined};
      const leaving = before && !sameDoor(before.value, value) ? before.value.definition : undefined;
      const ending = leaving && (await this.ending(leaving));
      const {succeeded} = await audit.auditedTxn(
        {
          compare: [before ? unchanged(before) : absent(key), ...(ending?.compare ?? [])],
          then: [putRecord(key, value), ...(ending?.then ?? [])],
        },
        this.decision('server.register', definition.name, principal, definition.endpoint.type),
      );
      if (succeeded) return {record: value, ended: ending?.ended};
    }
    throw new ProtocolError('overloaded', `several people change the MCP server ${definition.name} at once`);
  }

  /** Errors: `notFound`, `conflict` (a file says it), `overloaded`. */
  async allow(name: string, access: readonly AccessRule[], principal: Principal): Promise<void> {
    const {store, audit} = this.options;
    const key = this.keys.server(name);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const before = await readRecord(store, ServerRecord, key);
      if (!before) throw new ProtocolError('notFound', `there is no MCP server ${name}`);
      const {source} = before.value;
      // It is read again, and would undo this without a word.
      if (source)
        throw new ProtocolError(
          'conflict',
          `the MCP server ${name} is what ${source.file} says on ${source.coordinator}: change its access there, below "mcpx"`,
        );
      const {access: _, ...definition} = before.value.definition;
      const value: ServerRecord = {
        ...before.value,
        principal: principal.id,
        definition: access.length === 0 ? definition : {...definition, access: [...access]},
      };
      const {succeeded} = await audit.auditedTxn(
        {compare: [unchanged(before)], then: [putRecord(key, value)]},
        {...this.decision('server.access', name, principal), detail: {rules: access.length}},
      );
      if (succeeded) return;
    }
    throw new ProtocolError('overloaded', `several people change the MCP server ${name} at once`);
  }

  /** The login there, which ends with it; undefined: there was none. Errors: `notFound`, `overloaded`. */
  async remove(name: string, principal: Principal): Promise<EndedLogin | undefined> {
    const {store, audit} = this.options;
    const key = this.keys.server(name);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const before = await readRecord(store, ServerRecord, key);
      if (!before) throw new ProtocolError('notFound', `there is no MCP server ${name}`);
      const {compare, then, ended} = await this.ending(before.value.definition);
      const {succeeded} = await audit.auditedTxn(
        {compare: [unchanged(before), ...compare], then: [{kind: 'delete', key}, ...then]},
        this.decision('server.remove', name, principal),
      );
      if (succeeded) return ended;
    }
    throw new ProtocolError('overloaded', `several people change the MCP server ${name} at once`);
  }

  dispose(): void {
    this.watched.dispose();
  }

  /** What a login has brought is for the server that it was at: it goes as it is then, and whoever revokes it is told what it was. */
  private async ending(
    definition: ServerDefinition,
  ): Promise<{compare: Compare[]; then: Op[]; ended: EndedLogin | undefined}> {
    const key = this.keys.serverCredential(definition.name);
    const kv = await this.options.store.get(key);
    if (!kv) return {compare: [absent(key)], then: [], ended: undefined};
    const ended = {definition, credentials: readableCredentials(kv)};
    return {compare: [unchanged(kv)], then: [{kind: 'delete', key}], ended};
  }

  private decision(action: string, name: string, principal: Principal, type?: string) {
    return {action, subject: `server ${name}`, ...(type && {detail: {type}}), principal, refusals: false};
  }
}

/** The same address, and the same way in. */
function sameDoor({definition: a}: ServerRecord, {definition: b}: ServerRecord): boolean {
  const door = ({endpoint}: ServerDefinition): string =>
    endpoint.type === 'stdio' ? '' : JSON.stringify([endpoint.url, endpoint.oauth]);
  return door(a) === door(b);
}

function sameServer(a: ServerRecord, b: ServerRecord): boolean {
  return (
    JSON.stringify(a.definition) === JSON.stringify(b.definition) &&
    JSON.stringify(a.source) === JSON.stringify(b.source)
  );
}
