/** Changes of the cluster's members over HTTP: who may ask for them, and what the audit log says of them afterwards. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {
  CLUSTER_PATH,
  type ClusterChange,
  clusterRequests,
} from '../../coordinator/handlers/clusterRequests.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AuditRecord} from '../../coordinator/protocol/model/facts.ts';
import {tenantKeys} from '../../coordinator/protocol/model/keys.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {verifyChain} from '../../coordinator/security/auditChain.ts';
import type {Principal} from '../../coordinator/security/principal.ts';
import type {ClusterControl} from '../../coordinator/store/embedded/membership.ts';
import {readRecords} from '../../coordinator/store/records.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

const person: Principal = {id: 'client:local', tenant: 'default', role: 'coordinator'};
const STATUS = {
  cluster: 'fleet',
  node: 'a',
  leader: 'a',
  term: 1,
  committed: 1,
  changing: false,
  members: [],
};

describe('the members of the cluster over HTTP', () => {
  let test: TestStore;
  let server: Server | undefined;
  let asked: string[];
  let failure: CoordinatorError | undefined;

  beforeEach(async () => {
    test = await openTestStore();
    asked = [];
    failure = undefined;
  });
  afterEach(async () => {
    if (server) {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      server = undefined;
    }
    await test.remove();
  });

  const control: ClusterControl = {
    status: async () => STATUS,
    add: async (id, address) => act(`add ${id} ${address}`),
    remove: async id => act(`remove ${id}`),
    transfer: async to => {
      act(`transfer ${to}`);
      return to ?? 'b';
    },
  };

  function act(what: string): void {
    asked.push(what);
    if (failure) throw failure;
  }

  async function send(change?: ClusterChange, principal = person, alone = false) {
    const parts = {tenant: 'default', writerId: 'c-1', clock: systemClock, logger: silentLogger};
    const audit = new AuditLog({store: test.store, ...parts});
    const route = clusterRequests({control: alone ? undefined : control, audit, logger: silentLogger});
    server ??= createServer();
    server.removeAllListeners('request').on('request', (request, response) => {
      void route(request, response, principal);
    });
    if (!server.listening) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const {port} = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}${CLUSTER_PATH}`, {
      method: change ? 'POST' : 'GET',
      ...(change && {body: JSON.stringify(change)}),
    });
    return {status: response.status, text: await response.text()};
  }

  async function audited(): Promise<AuditRecord[]> {
    const {records} = await readRecords(test.store, AuditRecord, tenantKeys('default').audit);
    assert.equal(verifyChain(records).kind, 'intact');
    return records.map(({value}) => value).filter(({action}) => action.startsWith('cluster.'));
  }

  const tell = ({action, subject, principal, outcome, detail}: AuditRecord) => {
    const {result} = detail as {result: string};
    return `${principal} ${action} ${subject} ${result} ${String(outcome)}`;
  };

  it('are changed by who has full rights, and the audit log says who, what and with what outcome', async () => {
    const address = 'wss://host4:7700';
    assert.equal((await send({action: 'add', id: 'd', address})).status, 200);
    assert.equal((await send({action: 'transfer', to: 'd'})).status, 200);
    assert.equal((await send({action: 'transfer'})).status, 200);
    assert.deepEqual(asked, [`add d ${address}`, 'transfer d', 'transfer undefined']);
    const records = await audited();
    assert.deepEqual(records.map(tell), [
      'client:local cluster.add member d asked done',
      'client:local cluster.add member d done done',
      'client:local cluster.transfer member d asked done',
      'client:local cluster.transfer member d done done',
      'client:local cluster.transfer member that is furthest asked done',
      'client:local cluster.transfer member that is furthest done done',
    ]);
    assert.deepEqual(records[0]?.detail, {id: 'd', address, result: 'asked'});
  });

  it('say in the audit log that a change was refused, or that nobody knows', async () => {
    failure = new CoordinatorError('notFound', 'd is no member of this cluster');
    const refused = await send({action: 'remove', id: 'd'});
    assert.equal(refused.status, 409);
    assert.match(refused.text, /d is no member of this cluster/);
    failure = new CoordinatorError('timeout', 'waited for d to be left out');
    await send({action: 'remove', id: 'd'});
    assert.deepEqual((await audited()).map(tell), [
      'client:local cluster.remove member d asked done',
      'client:local cluster.remove member d failed refused',
      'client:local cluster.remove member d asked done',
      'client:local cluster.remove member d unknown done',
    ]);
  });

  it('keep the request in the audit log of a member that takes itself out and can write nothing afterwards', async () => {
    const {store} = test;
    let closed = false;
    const gone = (): Promise<never> => Promise.reject(new CoordinatorError('closed', 'a was removed'));
    const leaving: ClusterControl = {
      ...control,
      status: () => (closed ? gone() : control.status()),
      async remove() {
        await store.close();
        closed = true;
        return gone();
      },
    };
    const parts = {tenant: 'default', writerId: 'c-1', clock: systemClock, logger: silentLogger};
    const audit = new AuditLog({store, ...parts});
    const route = clusterRequests({control: leaving, audit, logger: silentLogger});
    server = createServer((request, response) => void route(request, response, person));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const {port} = server.address() as AddressInfo;
    const body = JSON.stringify({action: 'remove', id: 'a'});
    const response = await fetch(`http://127.0.0.1:${port}${CLUSTER_PATH}`, {method: 'POST', body});
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {cluster: 'fleet', left: 'a'});
    await test.reopen();
    assert.deepEqual((await audited()).map(tell), ['client:local cluster.remove member a asked done']);
  });

  it('are seen by clients, changed by none of them, and no business of agents', async () => {
    const client: Principal = {id: 'client:x', tenant: 'default', role: 'client'};
    const agent: Principal = {id: 'agent:x', tenant: 'default', role: 'agent'};
    assert.equal((await send(undefined, client)).status, 200);
    for (const [change, principal] of [
      [{action: 'remove', id: 'b'}, client],
      [{action: 'remove', id: 'b'}, agent],
      [undefined, agent],
    ] as const) {
      const {status, text} = await send(change, principal);
      assert.equal(status, 403);
      assert.match(text, /may not (see|change) the members of the cluster/);
    }
    assert.deepEqual(asked, []);
    assert.deepEqual(await audited(), []);
  });

  it('say what a coordinator lacks that is alone', async () => {
    const {status, text} = await send(undefined, person, true);
    assert.equal(status, 409);
    assert.match(text, /alone.*--cluster NAME --node ID --peers/);
  });
});
