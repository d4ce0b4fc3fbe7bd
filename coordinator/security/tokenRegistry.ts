/** Tokens of agents and clients: made once, kept as hashes in the store, expiring and revocable. What a principal may do is authorize.ts. */
import {createHash, timingSafeEqual} from 'node:crypto';
import * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import {Sha256, WallTime} from '../protocol/ids.ts';
import {tenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION, recordFields} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import {absent, exists, putRecord, storedRecord} from '../store/records.ts';
import type {Compare, KeyValue, Store} from '../store/store.ts';
import type {AuditLog} from './audit.ts';
import type {Principal} from './principal.ts';

export const TokenRecord = z.looseObject({
  ...recordFields,
  id: z.string().max(64),
  role: z.enum(['agent', 'client']),
  label: z.string().max(128).optional(),
  /** SHA-256 of the secret, which is random enough to need no salt. */
  hash: Sha256,
  createdAt: WallTime,
  expiresAt: WallTime,
});
export type TokenRecord = z.infer<typeof TokenRecord>;

export interface NewToken {
  /** To be shown once: only its hash is kept. */
  readonly token: string;
  readonly id: string;
  /** Wall time in ms. */
  readonly expiresAt: number;
}

export interface TokenRequest {
  readonly tenant: string;
  readonly role: 'agent' | 'client';
  readonly ttlSeconds: number;
  readonly label?: string | undefined;
  /** Who asks for it. */
  readonly principal: Principal;
}

/** `mcpx.TENANT.ID.SECRET` */
const TOKEN = /^mcpx\.([a-z0-9._-]{1,63})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})$/;
const SECRET_BYTES = 32;

export class TokenRegistry {
  constructor(
    private readonly store: Store,
    /** `random` makes secrets: it must be a cryptographic one. */
    private readonly services: {
      readonly clock: Clock;
      readonly random: Random;
      readonly logger: Logger;
      readonly audit: Pick<AuditLog, 'auditedTxn'>;
    },
  ) {}

  async create(request: TokenRequest): Promise<NewToken> {
    const {tenant, role, ttlSeconds, label, principal} = request;
    const {clock, random, audit} = this.services;
    const id = random.hex(8);
    const secret = Buffer.from(random.hex(SECRET_BYTES), 'hex').toString('base64url');
    const token = `mcpx.${tenant}.${id}.${secret}`;
    if (!TOKEN.test(token)) throw new CoordinatorError('config', `"${tenant}" cannot be a tenant's name`);
    const createdAt = clock.wallNow();
    const expiresAt = createdAt + ttlSeconds * 1000;
    const record: TokenRecord = {
      v: RECORD_VERSION,
      principal: principal.id,
      id,
      role,
      ...(label === undefined ? {} : {label}),
      hash: hashOf(secret).toString('hex'),
      createdAt,
      expiresAt,
    };
    const key = tenantKeys(tenant).token(id);
    const {succeeded} = await audit.auditedTxn(
      {compare: [absent(key)], then: [putRecord(key, record)]},
      {
        action: 'token.create',
        subject: `token ${id}`,
        detail: {tenant, role, label: label ?? null, expiresAt},
        principal,
      },
    );
    if (!succeeded) throw new CoordinatorError('conflict', 'the token id was taken');
    return {token, id, expiresAt};
  }

  /** Undefined for what is no token, unknown, expired or revoked. Throws when the store cannot say. */
  async verify(token: string): Promise<Principal | undefined> {
    const [, tenant, id, secret] = TOKEN.exec(token) ?? [];
    if (!tenant || !id || !secret) return undefined;
    const key = tenantKeys(tenant).token(id);
    // What this node has is enough, so that agents come back while there is no majority; a new token may not have arrived yet.
    const kv = (await this.store.get(key, {consistency: 'local'})) ?? (await this.store.get(key));
    const record = kv && this.read(kv);
    // Hashed before comparing in any case: the time taken tells nothing.
    const given = hashOf(secret);
    if (!record || !timingSafeEqual(given, Buffer.from(record.hash, 'hex'))) return undefined;
    if (record.expiresAt <= this.services.clock.wallNow()) return undefined;
    return {id: `${record.role}:${id}`, tenant, role: record.role};
  }

  /** Resolves to false when there is no such token. */
  async revoke(tenant: string, id: string, principal: Principal): Promise<boolean> {
    const key = tenantKeys(tenant).token(id);
    const {succeeded} = await this.services.audit.auditedTxn(
      {compare: [exists(key)], then: [{kind: 'delete', key}]},
      {action: 'token.revoke', subject: `token ${id}`, detail: {tenant}, principal, refusals: false},
    );
    return succeeded;
  }

  async list(tenant: string): Promise<TokenRecord[]> {
    const {kvs} = await this.store.range(tenantKeys(tenant).tokens);
    return kvs.flatMap(kv => this.read(kv) ?? []);
  }

  /** Calls with the principal id of every token that is revoked, wherever in the cluster: its connections have to go. */
  onRevoked(tenant: string, listener: (principalId: string) => void): Disposable {
    return this.store.watch(tenantKeys(tenant).tokens, {}, message => {
      if (message.kind !== 'events') return;
      for (const event of message.events) {
        const record = event.kind === 'delete' && event.previous && this.read(event.previous);
        if (record) listener(`${record.role}:${record.id}`);
      }
    });
  }

  /** Deletes the tokens that have run out, as long as `fence` holds; resolves with how many. */
  async removeExpired(tenant: string, fence: Compare): Promise<number> {
    const now = this.services.clock.wallNow();
    const expired = (await this.list(tenant)).filter(record => record.expiresAt <= now);
    let deleted = 0;
    // What has run out stands for nothing any more: that it goes is no decision.
    for (const {id} of expired) {
      const key = tenantKeys(tenant).token(id);
      const {succeeded} = await this.store.txn({compare: [fence], then: [{kind: 'delete', key}]});
      if (!succeeded) return deleted;
      deleted += 1;
    }
    return deleted;
  }

  private read(kv: KeyValue): TokenRecord | undefined {
    try {
      return storedRecord(TokenRecord, kv).value;
    } catch (error) {
      this.services.logger.error('a token record cannot be read', {key: kv.key, error});
      return undefined;
    }
  }
}

/** A token that is not in the store, such as the local administrator's, beside those that are. */
export function withFixedTokens(
  fixed: ReadonlyMap<string, Principal>,
  others: (token: string) => Promise<Principal | undefined>,
): (token: string) => Promise<Principal | undefined> {
  const known = [...fixed].map(([token, principal]) => ({hash: hashOf(token), principal}));
  return async token => {
    const given = hashOf(token);
    let found: Principal | undefined;
    for (const {hash, principal} of known) if (timingSafeEqual(hash, given)) found = principal;
    return found ?? others(token);
  };
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
