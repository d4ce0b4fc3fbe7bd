/** Servers that want OAuth, behind the gateways of one and of two coordinators: logins, renewals, ends of logins, and the hub's own credentials. */
import assert from 'node:assert/strict';
import {generateKeyPairSync} from 'node:crypto';
import {Logins} from '../../../coordinator/gateway/oauth/logins.ts';
import {serverInfo} from '../../../coordinator/gateway/serverInfo.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {tenantKeys} from '../../../coordinator/protocol/model/keys.ts';
import type {HttpEndpoint, ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import type {ServerOAuth} from '../../../coordinator/protocol/model/serverOAuth.ts';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {openTestStore, type TestStore} from '../../fixtures/openTestStore.ts';
import {found} from '../../support/waiting.ts';
import {callOf, http, use} from '../support.ts';
import {agreed, type GuardedOptions, GuardedServer} from './guardedServer.ts';
import {coordinatorOf, type LoginCoordinator, PERSON, REDIRECT} from './loginSupport.ts';

const LIMIT_MS = 30_000;

describe('servers that want OAuth', function () {
  this.timeout(120_000);
  let test: TestStore;
  let guarded: GuardedServer;
  let server: ServerDefinition;
  const running: LoginCoordinator[] = [];

  beforeEach(async () => {
    test = await openTestStore();
  });
  afterEach(async () => {
    for (const coordinator of running.splice(0)) await coordinator.stop();
    await guarded.stop();
    await test.remove();
  });

  async function guard(oauth?: ServerOAuth, options: GuardedOptions = {}): Promise<void> {
    guarded = await GuardedServer.start(options);
    const {url, issuer} = guarded;
    server = http('shop', url, {endpoint: {type: 'http', url, ...(oauth && {oauth: {issuer, ...oauth}})}});
  }
  async function start(writerId = 'c-1', more: {renewalSeconds?: number} = {}): Promise<LoginCoordinator> {
    const coordinator = await coordinatorOf(test.store, writerId, [server], more);
    running.push(coordinator);
    return coordinator;
  }
  const stateOf = ({records, gateway}: LoginCoordinator) => {
    const [record] = records.all();
    assert.ok(record);
    return serverInfo(record, gateway.get('shop'), () => undefined);
  };
  const reaches = (coordinator: LoginCoordinator, state: string) =>
    found(
      () => (stateOf(coordinator).state === state ? stateOf(coordinator) : undefined),
      LIMIT_MS,
      () => `${state}, not ${JSON.stringify(stateOf(coordinator))}`,
    );
  const look = ({...coordinator}: LoginCoordinator, tool = 'look') =>
    use(coordinator, `shop__${tool}`, {}, callOf('a'));
  const begin = ({logins}: Pick<LoginCoordinator, 'logins'>, more: object = {}) =>
    logins.begin({
      ...{server: 'shop', endpoint: server.endpoint as HttpEndpoint, redirectUrl: REDIRECT},
      ...{scope: undefined, before: undefined, challenge: undefined, principal: PERSON.id, ...more},
    });

  it('say that somebody has to log in, and can be used once somebody has', async () => {
    await guard();
    const coordinator = await start();
    const {lastError} = await reaches(coordinator, 'needsLogin');
    assert.match(lastError ?? '', /log in at the server shop/);
    assert.equal(guarded.registered.length, 0, 'nothing is registered before somebody logs in');
    await coordinator.login(server);
    await reaches(coordinator, 'ready');
    assert.equal(await look(coordinator), 'look: done');
    assert.deepEqual(guarded.registered[0]?.['redirect_uris'], [REDIRECT]);
  });

  it('are used with the login by every coordinator, also one that starts later, and by none when somebody logs out', async () => {
    await guard();
    const one = await start('c-1');
    const two = await start('c-2');
    await reaches(two, 'needsLogin');
    await one.login(server);
    await reaches(two, 'ready');
    assert.equal(await look(two), 'look: done');
    const three = await start('c-3');
    await reaches(three, 'ready');
    await three.credentials.remove('shop', PERSON);
    for (const coordinator of [one, two, three]) await reaches(coordinator, 'needsLogin');
    await assert.rejects(three.credentials.remove('shop', PERSON), error =>
      isProtocolError(error, 'notFound'),
    );
  });

  it('are used on when the token ends: it is renewed once for all calls of all coordinators', async () => {
    await guard();
    const one = await start('c-1');
    const two = await start('c-2');
    await one.login(server);
    await Promise.all([reaches(one, 'ready'), reaches(two, 'ready')]);
    await Promise.all([look(one), look(two)]);
    let open = (): void => undefined;
    guarded.gate = new Promise(resolve => {
      open = resolve;
    });
    guarded.expire();
    const calls = [one, two, one, two].map(coordinator => look(coordinator));
    await found(() => guarded.renewals > 0 || undefined, LIMIT_MS, 'a renewal');
    open();
    assert.deepEqual(await Promise.all(calls), Array(4).fill('look: done'));
    // A second use of the token that renews would have ended the login.
    assert.equal(guarded.renewals, 1);
    guarded.expire();
    assert.equal(await look(two), 'look: done');
    assert.equal(guarded.renewals, 2);
  });

  it('keep what another has renewed while it seemed to have come to nothing', async () => {
    await guard();
    const one = await start('c-1');
    await one.login(server);
    await reaches(one, 'ready');
    const before = await one.credentials.read('shop');
    assert.ok(before);
    const late = await one.credentials.renew('shop', before);
    assert.ok(late);
    assert.equal(await one.credentials.renew('shop', before), undefined, 'one at a time');
    await one.login(server);
    const now = one.credentials.known('shop');
    const stale = {...before.value, tokens: {...before.value.tokens, access_token: 'old'}};
    assert.equal(await late.finish(stale), false);
    assert.deepEqual(one.credentials.known('shop'), now);
  });

  it('are used on when a coordinator dies that was about to renew', async () => {
    await guard();
    const one = await start('c-1', {renewalSeconds: 1});
    const two = await start('c-2');
    await one.login(server);
    await reaches(two, 'ready');
    await look(two);
    const kept = await one.credentials.read('shop');
    assert.ok(kept && (await one.credentials.renew('shop', kept)), 'and that is the last of it');
    guarded.expire();
    assert.equal(await look(two), 'look: done');
    assert.equal(guarded.renewals, 1);
  });

  it('say that somebody has to log in when the login is over', async () => {
    await guard(undefined, {renewable: false});
    const coordinator = await start();
    await coordinator.login(server);
    await reaches(coordinator, 'ready');
    await look(coordinator);
    guarded.expire();
    await assert.rejects(look(coordinator), /log in at the server shop.*mcpx servers login shop/);
  });

  it('say so too when the authorization server renews no more', async () => {
    await guard();
    const coordinator = await start();
    await coordinator.login(server);
    await reaches(coordinator, 'ready');
    await look(coordinator);
    guarded.revoke();
    await assert.rejects(look(coordinator), /log in at the server shop/);
    await assert.rejects(look(coordinator), /log in at the server shop/);
    assert.equal(guarded.renewals, 1, 'it is not asked for what it has refused');
  });

  it('stay logged in while the authorization server is broken', async () => {
    await guard();
    const coordinator = await start();
    await coordinator.login(server);
    await reaches(coordinator, 'ready');
    await look(coordinator);
    guarded.expire();
    guarded.tokenFault = 503;
    await assert.rejects(look(coordinator), /does not renew the login/);
    assert.notEqual(stateOf(coordinator).state, 'needsLogin');
    guarded.tokenFault = undefined;
    assert.equal(await look(coordinator), 'look: done');
  });

  it('name the scope that a call needs and the command, and allow the call when that is granted', async () => {
    await guard();
    const coordinator = await start();
    await coordinator.login(server);
    await reaches(coordinator, 'ready');
    await assert.rejects(
      look(coordinator, 'change'),
      /the scope "write".*mcpx servers login shop --scope "write"/,
    );
    await coordinator.login(server, 'write');
    await reaches(coordinator, 'ready');
    assert.equal(await look(coordinator, 'change'), 'change: done');
    assert.equal(coordinator.credentials.known('shop')?.tokens.scope, 'read write');
  });

  it('tell no secrets', async () => {
    await guard();
    const coordinator = await start();
    await coordinator.login(server);
    await reaches(coordinator, 'ready');
    guarded.revoke();
    coordinator.gateway.refresh('shop');
    const info = await reaches(coordinator, 'needsLogin');
    const said = JSON.stringify(info);
    for (const secret of guarded.secrets) assert.ok(!said.includes(secret), secret);
  });

  it('lose the login with their registration, and where they have another address', async () => {
    await guard();
    const coordinator = await start();
    const key = tenantKeys('default').serverCredential('shop');
    await coordinator.login(server);
    await coordinator.records.put({definition: {...server, title: 'The shop'}, replace: true}, PERSON);
    assert.ok(await test.store.get(key), 'whatever else changes does not matter');
    const endpoint = {...server.endpoint, url: `${guarded.issuer}/other`} as HttpEndpoint;
    await coordinator.records.put({definition: {...server, endpoint}, replace: true}, PERSON);
    assert.equal(await test.store.get(key), undefined);
    await coordinator.login(server);
    await coordinator.records.remove('shop', PERSON);
    assert.equal(await test.store.get(key), undefined);
    await assert.rejects(coordinator.login(server), error => isProtocolError(error, 'notFound'));
  });

  it('are logged in at with a client that is registered already, whose secret is not stored', async () => {
    await guard(
      {clientId: 'ours', clientSecret: 'a-secret-of-ours'},
      {clients: {ours: {secret: 'a-secret-of-ours'}}},
    );
    const coordinator = await start();
    await coordinator.login(server);
    await reaches(coordinator, 'ready');
    guarded.expire();
    assert.equal(await look(coordinator), 'look: done');
    assert.equal(guarded.registered.length, 0);
    const kv = await test.store.get(tenantKeys('default').serverCredential('shop'));
    assert.ok(!kv?.value.includes('a-secret-of-ours'));
    assert.ok(!JSON.stringify(stateOf(coordinator)).includes('a-secret-of-ours'));
  });

  it('get no secret of a client for another authorization server', async () => {
    await guard({clientId: 'ours', clientSecret: 'a-secret-of-ours', issuer: 'https://login.example.org'});
    const coordinator = await start();
    await assert.rejects(coordinator.login(server), /login\.example\.org/);
    assert.deepEqual(guarded.asked, []);
  });

  describe('with credentials of the hub itself', () => {
    it('need no person: by secret, as the server wants it or as it is said', async () => {
      const clients = {ours: {secret: 'a-secret-of-ours'}};
      const own = {grant: 'client_credentials', clientId: 'ours', clientSecret: 'a-secret-of-ours'} as const;
      await guard({...own, scope: 'read'}, {clients});
      const coordinator = await start();
      await reaches(coordinator, 'ready');
      guarded.expire();
      assert.equal(await look(coordinator), 'look: done');
      assert.deepEqual([...new Set(guarded.asked)], ['client_credentials basic']);
      await assert.rejects(look(coordinator, 'change'), /the scope "write".*registration limits/);
      const endpoint = {
        ...server.endpoint,
        oauth: {...own, clientAuthentication: 'client_secret_post', issuer: guarded.issuer},
      };
      server = {...server, endpoint} as ServerDefinition;
      guarded.asked.length = 0;
      coordinator.gateway.apply([server]);
      await found(
        async () => guarded.asked.includes('client_credentials post') || undefined,
        LIMIT_MS,
        'the other way',
      );
      // Without a limit the hub asks for what a call needs.
      assert.equal(await look(coordinator, 'change'), 'change: done');
    });

    it('sign with a key', async () => {
      const {privateKey, publicKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
      const pem = privateKey.export({type: 'pkcs8', format: 'pem'}).toString();
      await guard(
        {grant: 'client_credentials', clientId: 'ours', privateKey: pem},
        {clients: {ours: {publicKey: publicKey.export({type: 'spki', format: 'pem'}).toString()}}},
      );
      const coordinator = await start();
      await reaches(coordinator, 'ready');
      assert.equal(await look(coordinator), 'look: done');
      assert.deepEqual([...new Set(guarded.asked)], ['client_credentials key']);
      assert.ok(!JSON.stringify(stateOf(coordinator)).includes(pem.split('\n')[1] ?? pem));
    });
  });

  describe('whose login is under way', () => {
    const isRefused = (error: unknown): boolean => isProtocolError(error, 'notFound');

    it('take its end from whoever began it, once, and no state of anybody else', async () => {
      await guard();
      const logins = new Logins({clock: new ManualClock(), random: systemRandom});
      const {authorizationUrl, state} = await begin({logins});
      assert.ok(!authorizationUrl.includes('verifier'));
      const {code, iss} = await agreed(authorizationUrl);
      const back = {server: 'shop', code, iss, principal: PERSON.id};
      await assert.rejects(logins.finish({...back, state: 'f'.repeat(64)}), isRefused);
      await assert.rejects(logins.finish({...back, state, principal: 'coordinator:other'}), isRefused);
      await assert.rejects(logins.finish({...back, state, server: 'other'}), isRefused);
      const {tokens, resource} = await logins.finish({...back, state});
      assert.ok(tokens.access_token);
      assert.equal(resource, guarded.url);
      await assert.rejects(logins.finish({...back, state}), isRefused);
      logins.dispose();
    });

    it('refuse a code that comes from another authorization server', async () => {
      await guard();
      const logins = new Logins({clock: new ManualClock(), random: systemRandom});
      const {authorizationUrl, state} = await begin({logins});
      const {code} = await agreed(authorizationUrl);
      const back = {server: 'shop', code, iss: 'https://evil.example.org', state, principal: PERSON.id};
      await assert.rejects(logins.finish(back), error => isProtocolError(error, 'unavailable'));
      assert.deepEqual(guarded.asked, [], 'the code went nowhere');
      logins.dispose();
    });

    it('forget it after a while, and are not begun without bound', async () => {
      await guard();
      const clock = new ManualClock();
      const logins = new Logins({clock, random: systemRandom, maxPending: 2, expiryMs: 60_000});
      const {authorizationUrl, state} = await begin({logins});
      await begin({logins});
      await assert.rejects(begin({logins}), error => isProtocolError(error, 'overloaded'));
      const {code, iss} = await agreed(authorizationUrl);
      clock.advance(60_000);
      await assert.rejects(
        logins.finish({server: 'shop', state, code, iss, principal: PERSON.id}),
        isRefused,
      );
      await begin({logins});
      logins.dispose();
    });

    it('send nobody back to another machine over plain HTTP', async () => {
      await guard();
      const logins = new Logins({clock: new ManualClock(), random: systemRandom});
      for (const redirectUrl of ['http://example.org/x', 'https://a/#x', 'javascript:alert(1)', 'x'])
        await assert.rejects(begin({logins}, {redirectUrl}), error =>
          isProtocolError(error, 'invalidParams'),
        );
      logins.dispose();
    });
  });
});
