/** What becomes of tokens at their authorization server when a login ends here: by a person, with the server, and while they are renewed. */
import assert from 'node:assert/strict';
import {revokeLogin} from '../../../coordinator/gateway/oauth/revocation.ts';
import {tenantKeys} from '../../../coordinator/protocol/model/keys.ts';
import type {HttpEndpoint, ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import type {ServerOAuth} from '../../../coordinator/protocol/model/serverOAuth.ts';
import {openTestStore, type TestStore} from '../../fixtures/openTestStore.ts';
import {found} from '../../support/waiting.ts';
import {callOf, http, use} from '../support.ts';
import {type GuardedOptions, GuardedServer} from './guardedServer.ts';
import {coordinatorOf, type LoginCoordinator, PERSON} from './loginSupport.ts';

const LIMIT_MS = 30_000;
const NONE = {access: 0, refresh: 0};
const KEY = tenantKeys('default').serverCredential('shop');

describe('a login that ends', function () {
  this.timeout(120_000);
  let test: TestStore;
  let guarded: GuardedServer;
  let server: ServerDefinition;
  let coordinator: LoginCoordinator;

  beforeEach(async () => {
    test = await openTestStore();
  });
  afterEach(async () => {
    await coordinator.stop();
    await guarded.stop().catch(() => undefined);
    await test.remove();
  });

  async function loggedIn(options: GuardedOptions = {}, oauth?: ServerOAuth): Promise<void> {
    guarded = await GuardedServer.start(options);
    const {url, issuer} = guarded;
    server = http('shop', url, {endpoint: {type: 'http', url, ...(oauth && {oauth: {issuer, ...oauth}})}});
    coordinator = await coordinatorOf(test.store, 'c-1', [server]);
    await coordinator.login(server);
    assert.equal(guarded.good.access, 1);
  }
  const look = (): Promise<unknown> => use(coordinator, 'shop__look', {}, callOf('a'));
  const isReady = (): Promise<unknown> =>
    found(async () => (await look().catch(() => undefined)) || undefined, LIMIT_MS, 'a shop that is open');

  it('has its tokens revoked, what renews first, by the client that they were given to', async () => {
    await loggedIn();
    assert.deepEqual(await coordinator.logout(server), {kind: 'revoked'});
    assert.deepEqual(guarded.askedToRevoke, ['refresh_token basic', 'access_token basic']);
    assert.deepEqual(guarded.good, NONE);
    assert.equal(await test.store.get(KEY), undefined);
  });

  it('is revoked by a client that is registered already, as that is known at the token endpoint', async () => {
    const clients = {ours: {secret: 'a-secret-of-ours'}};
    const own = {clientId: 'ours', clientSecret: 'a-secret-of-ours'};
    await loggedIn({clients}, {...own, clientAuthentication: 'client_secret_post'});
    assert.deepEqual(await coordinator.logout(server), {kind: 'revoked'});
    assert.deepEqual(guarded.askedToRevoke, ['refresh_token post', 'access_token post']);
    assert.deepEqual(guarded.good, NONE);
  });

  it('is revoked where only what renews can be, and what is used ends by itself', async () => {
    await loggedIn({revokes: 'refresh'});
    assert.deepEqual(await coordinator.logout(server), {kind: 'revoked'});
    assert.deepEqual(guarded.good, {access: 1, refresh: 0});
  });

  it('says that a token stays good which cannot be revoked and has none that renews it', async () => {
    await loggedIn({revokes: 'refresh', renewable: false});
    const revocation = await coordinator.logout(server);
    assert.deepEqual(revocation, {
      ...{kind: 'failed', issuer: guarded.issuer},
      reason: 'it answers unsupported_token_type',
    });
  });

  it('says that tokens stay good where nobody revokes any', async () => {
    await loggedIn({revokes: 'none'});
    assert.deepEqual(await coordinator.logout(server), {kind: 'notOffered', issuer: guarded.issuer});
    assert.equal(await test.store.get(KEY), undefined);
  });

  it('is forgotten all the same when revoking fails, which is said without the tokens', async () => {
    await loggedIn();
    guarded.revokeFault = 503;
    const revocation = await coordinator.logout(server);
    assert.deepEqual(revocation, {kind: 'failed', issuer: guarded.issuer, reason: 'it answers HTTP 503'});
    assert.equal(guarded.askedToRevoke.length, 2, 'one that fails does not keep the other from being tried');
    assert.equal(await test.store.get(KEY), undefined);
    for (const secret of guarded.secrets) assert.ok(!JSON.stringify(revocation).includes(secret), secret);
  });

  it('is forgotten all the same when the authorization server is gone', async () => {
    await loggedIn();
    await guarded.stop();
    const revocation = await coordinator.logout(server);
    assert.equal(revocation.kind, 'failed');
    assert.match(JSON.stringify(revocation), /ECONNREFUSED|other side closed/);
    assert.equal(await test.store.get(KEY), undefined);
  });

  it('is told to no other authorization server than the one that it was by', async () => {
    await loggedIn();
    const credentials = await coordinator.credentials.remove('shop', PERSON);
    assert.ok(credentials);
    const other = await GuardedServer.start();
    try {
      const definition = {...server, endpoint: {...server.endpoint, url: other.url} as HttpEndpoint};
      await revokeLogin({definition, credentials}, coordinator.gateway.options);
      assert.deepEqual(other.askedToRevoke, []);
      assert.deepEqual(guarded.good, NONE);
    } finally {
      await other.stop();
    }
  });

  it('is handed over to be revoked when its server is removed, or has another address', async () => {
    await loggedIn();
    const {records, gateway} = coordinator;
    const endpoint = {...server.endpoint, url: `${guarded.issuer}/other`} as HttpEndpoint;
    const {ended: left} = await records.put({definition: {...server, endpoint}, replace: true}, PERSON);
    assert.ok(left);
    assert.deepEqual(await revokeLogin(left, gateway.options), {kind: 'revoked'});
    assert.deepEqual(guarded.good, NONE);
    await records.put({definition: server, replace: true}, PERSON);
    await coordinator.login(server);
    const removed = await records.remove('shop', PERSON);
    assert.ok(removed);
    assert.deepEqual(await revokeLogin(removed, gateway.options), {kind: 'revoked'});
    assert.deepEqual(guarded.good, NONE);
    await records.put({definition: server, replace: true}, PERSON);
    assert.equal(await records.remove('shop', PERSON), undefined, 'nobody was logged in');
  });

  it('takes along tokens that were renewed while it ended', async () => {
    await loggedIn();
    await isReady();
    guarded.expire();
    let handOut = (): void => undefined;
    guarded.handOut = new Promise(resolve => {
      handOut = resolve;
    });
    const call = look();
    await found(() => guarded.good.access > 0 || undefined, LIMIT_MS, 'new tokens');
    assert.deepEqual(await coordinator.logout(server), {kind: 'revoked'});
    assert.deepEqual(guarded.good, {access: 1, refresh: 1}, 'the new ones nobody knew yet');
    handOut();
    await assert.rejects(call, /log in at the server shop/);
    assert.deepEqual(guarded.good, NONE);
  });
});
