/** An etcd behind TLS, client certificates and passwords: who gets in, and what those hear who do not. */
import assert from 'node:assert/strict';
import {mkdtempSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {Etcd3} from 'etcd3';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {
  createAuthorityCertificate,
  createServerCertificate,
  type KeyedCertificate,
} from '../../../coordinator/security/certificates.ts';
import type {EtcdStore} from '../../../coordinator/store/etcd/etcdStore.ts';
import {EtcdServer, missingEtcd} from '../../support/etcdServer.ts';
import {found} from '../../support/waiting.ts';
import {followed, openStore, put} from './etcdFixture.ts';

const missing = missingEtcd();
const PATIENCE_MS = 60_000;
const VALID = {wallNow: Date.now(), validDays: 1};
const SETTINGS = {requestTimeoutMs: 5000};

describe(`an etcd that wants to know who asks${missing === undefined ? '' : `: ${missing}`}`, function () {
  this.timeout(180_000);
  let folder: string;
  let authority: KeyedCertificate;
  let person: KeyedCertificate;
  let plain: EtcdServer;
  let certified: EtcdServer;
  let client: Etcd3;
  const closing: (() => Promise<void>)[] = [];
  before(async function () {
    if (missing !== undefined) return this.skip();
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-etcd-tls-'));
    authority = await createAuthorityCertificate('etcd', VALID);
    person = await createAuthorityCertificate('person', VALID);
    const server = await createServerCertificate(authority, ['127.0.0.1', 'localhost'], VALID);
    const file = (name: string, text: string): string => {
      writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const files = {certificate: file('server.pem', server.cert), key: file('server.key', server.key)};
    plain = await EtcdServer.start({tls: files});
    certified = await EtcdServer.start({tls: {...files, clientAuthority: file('person.pem', person.cert)}});
    const credentials = {rootCertificate: Buffer.from(authority.cert)};
    await plain.answers({credentials});
    await certified.answers({
      credentials: {...credentials, privateKey: Buffer.from(person.key), certChain: Buffer.from(person.cert)},
    });
    client = plain.client({credentials});
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  after(async () => {
    client?.close();
    await plain?.stop();
    await certified?.stop();
    if (folder) await rm(folder, {recursive: true, force: true});
  });

  const open = async (...args: Parameters<typeof openStore>): Promise<EtcdStore> => {
    const store = await openStore(...args);
    closing.push(() => store.close());
    return store;
  };
  const secure = (server: EtcdServer, user = '', prefix = 'mcpx'): string =>
    `etcds://${user}${server.endpoints.join(',')}/${prefix}`;
  const works = async (store: EtcdStore): Promise<void> => {
    const lease = await store.grantLease(30);
    const {revision} = await store.txn({then: [put('k', 'v', lease.id)]});
    assert.deepEqual(await followed(store, 'k', revision, revision), [`${revision}:1`]);
    assert.equal((await store.get('k'))?.lease, lease.id);
    assert.equal(await store.keepAlive(lease.id), true);
    await store.revokeLease(lease.id);
    assert.equal(await store.get('k'), undefined);
  };
  const refused = (run: Promise<unknown>, code: 'unavailable' | 'unauthorized'): Promise<void> =>
    assert.rejects(run, error => isCoordinatorError(error, code));

  it('is entered by TLS with its authority', async () => {
    await works(await open(secure(plain), {tls: {authority: authority.cert}}));
  });

  it('is not entered with another authority, nor without TLS', async () => {
    const settings = {requestTimeoutMs: 1500};
    await refused(openStore(secure(plain), {tls: {authority: person.cert}, settings}), 'unavailable');
    await refused(openStore(secure(plain), {settings}), 'unavailable');
    await refused(openStore(`etcd://${plain.endpoints[0]}`, {settings}), 'unavailable');
  });

  it('is entered with the certificate that it wants, and not without', async () => {
    const tls = {authority: authority.cert, certificate: person.cert, key: person.key};
    await works(await open(secure(certified), {tls}));
    const settings = {requestTimeoutMs: 1500};
    await refused(openStore(secure(certified), {tls: {authority: authority.cert}, settings}), 'unavailable');
  });

  describe('with passwords', () => {
    let tls: {authority: string};
    before(async () => {
      tls = {authority: authority.cert};
      await client.user('root').create('top');
      await client.role('root').create();
      await client.user('root').addRole('root');
      await client.user('robot').create('s3cret/@');
      const role = await client.role('team').create();
      await client.auth.roleGrantPermission({
        name: 'team',
        perm: {permType: 'Readwrite', key: Buffer.from('team/'), range_end: Buffer.from('team0')},
      });
      await role.addUser('robot');
      await client.user('guest').create('guest');
      await client.auth.authEnable();
    });
    const robot = 'robot:s3cret%2F%40@';

    it('is entered by a user whose role has the prefix', async () => {
      await works(await open(secure(plain, robot, 'team'), {tls, settings: SETTINGS}));
    });

    it('refuses a wrong password, nobody, a user without a role, and another prefix, at once', async () => {
      const startedAt = performance.now();
      for (const [user, prefix] of [
        ['robot:wrong@', 'team'],
        ['nobody:x@', 'team'],
        ['', 'team'],
        ['guest:guest@', 'team'],
        [robot, 'other'],
      ] as const)
        await refused(
          openStore(secure(plain, user, prefix), {tls, settings: {requestTimeoutMs: 60_000}}),
          'unauthorized',
        );
      assert.ok(performance.now() - startedAt < 60_000, 'nobody waited for a refusal');
    });

    it('takes its token again when etcd has forgotten it, for writes, watches and leases', async () => {
      const store = await open(secure(plain, robot, 'team'), {tls, settings: SETTINGS});
      const lease = await store.grantLease(60);
      const {revision} = await store.txn({then: [put('n', '0')]});
      const seen: string[] = [];
      store.watch('n', {fromRevision: revision + 1}, message => {
        seen.push(message.kind === 'events' ? (message.events[0]?.kv.value ?? '') : message.kind);
      });
      // Tokens live in the memory of the server.
      await plain.kill(0);
      plain.run(0);
      const written = await found(
        () => store.txn({then: [put('n', '1')]}).catch(() => undefined),
        PATIENCE_MS,
        'a write after the restart',
      );
      assert.ok(written.succeeded);
      await store.txn({then: [put('n', '2')]});
      await found(() => (seen.at(-1) === '2' ? true : undefined), PATIENCE_MS, 'the watch to go on');
      assert.equal(await store.keepAlive(lease.id), true);
    });
  });
});
