/** Topics as a page is told of them, from a real hub over a real store: snapshots, changes in order, and new generations. */
import assert from 'node:assert/strict';
import {FeedPublisher, type FeedSource} from '../../coordinator/client/feed/publisher.ts';
import {SharedViews} from '../../coordinator/client/feed/sharedViews.ts';
import {FeedMessage, type Topic} from '../../coordinator/client/feed/topics.ts';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {PlanReader} from '../../coordinator/client/mirror/planReader.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {WatchService} from '../../coordinator/hub/watch/watchService.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {resolvePlan} from '../../coordinator/protocol/plan/plan.ts';
import {PlanFile} from '../../coordinator/protocol/plan/schema.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {endAttempt, keys, placeAttempt, putSession} from '../fixtures/attempts.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';
import {type HubFixture, hubFixture} from '../hub/support.ts';
import {found} from '../support/waiting.ts';

const WAIT_MS = 10_000;

describe('topics of a page', () => {
  let test: TestStore;
  let fixture: HubFixture;
  let service: WatchService;
  let client: McpxClient;
  let source: FeedSource & {readonly views: SharedViews};
  let publisher: FeedPublisher;
  let told: FeedMessage[];
  let arrives: boolean;
  const plan = resolvePlan(
    PlanFile.parse({name: 'p', workspace: 'none', tasks: [{id: 'build', run: 'true'}]}),
  );

  beforeEach(async () => {
    test = await openTestStore();
    service = new WatchService(test.store, {
      clock: systemClock,
      logger: silentLogger,
      settings: {flushMs: 1},
    });
    await service.start();
    fixture = await hubFixture({}, hub => {
      service.register(hub);
      hub.handle('mcpx.transcript.follow', () => Promise.resolve({}));
      hub.handle('mcpx.transcript.read', ({fromSeq}) =>
        Promise.resolve({
          firstSeq: fromSeq,
          events:
            fromSeq > 2
              ? []
              : [{kind: 'notice' as const, at: fromSeq, level: 'info' as const, text: `event ${fromSeq}`}],
          lastSeq: 2,
          ended: true,
        }),
      );
    });
    client = connectClient({
      urls: [fixture.url],
      token: () => 'client',
      openSocket: nodeSocket(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'test', version: '0'},
      settings: {minBackoffMs: 1, maxBackoffMs: 5},
      watchRetryMs: 5,
    });
    const plans = new PlanReader(() => Promise.resolve(new TextEncoder().encode(JSON.stringify(plan))));
    source = {client, views: new SharedViews(client), plans};
    told = [];
    arrives = true;
    publisher = new FeedPublisher({
      clock: systemClock,
      coalesceMs: 5,
      post: message => {
        if (arrives) told.push(FeedMessage.parse(message));
        return Promise.resolve(arrives);
      },
    });
    publisher.use(source);
  });

  afterEach(async () => {
    publisher.dispose();
    client.dispose();
    service.dispose();
    await fixture.close();
    await test.remove();
  });

  const session: Topic = {kind: 'session', sessionId: 's-1'};
  const of = (topicId: string): FeedMessage[] => told.filter(message => message.topicId === topicId);
  const until = (topicId: string, fits: (message: FeedMessage) => boolean): Promise<FeedMessage> =>
    found(() => of(topicId).find(fits), WAIT_MS, `a message of ${topicId}`);
  const stateOf = ({event}: FeedMessage, id: string): string | undefined => {
    const rows = event.kind === 'rows' ? event.rows : event.kind === 'changes' ? event.upserts : [];
    return rows.flatMap(row => (row.kind === 'attempt' && row.id === id ? [row.attempt.state] : []))[0];
  };

  it('begin with all rows, and go on with every change, numbered without a gap', async () => {
    await putSession(test.store, 's-1');
    publisher.open('t', session);
    await until('t', ({event}) => event.kind === 'rows');
    const {attemptId} = await placeAttempt(test.store);
    await until('t', message => stateOf(message, attemptId) === 'running');
    await endAttempt(test.store, attemptId, {outcome: 'succeeded'});
    await until('t', message => stateOf(message, attemptId) === 'ended');
    assert.deepEqual(
      of('t').map(({generation}) => generation),
      of('t').map(() => 1),
    );
    assert.deepEqual(
      of('t').map(({seq}) => seq),
      of('t').map((_message, at) => at + 1),
    );
  });

  it('gather changes that come together into one message', async () => {
    await putSession(test.store, 's-1');
    publisher.open('t', session);
    await until('t', ({event}) => event.kind === 'rows');
    const placed = await Promise.all(
      Array.from({length: 40}, (_none, at) => placeAttempt(test.store, {taskId: `task-${at}`})),
    );
    const last = placed.at(-1)?.attemptId ?? '';
    await until('t', message => stateOf(message, last) !== undefined);
    assert.ok(of('t').length < 30, `${of('t').length} messages`);
    const named = of('t').flatMap(({event}) =>
      event.kind === 'changes' ? event.upserts.map(({id}) => id) : [],
    );
    for (const {attemptId} of placed) assert.ok(named.includes(attemptId), attemptId);
  });

  it('tell of what is gone', async () => {
    await putSession(test.store, 's-1');
    const {attemptId} = await placeAttempt(test.store);
    publisher.open('t', session);
    await until('t', ({event}) => event.kind === 'rows');
    await test.store.txn({then: [{kind: 'delete', key: keys.attempt(attemptId)}]});
    const message = await until('t', ({event}) => event.kind === 'changes');
    assert.deepEqual(message.event.kind === 'changes' && message.event.deletes, [
      {kind: 'attempt', id: attemptId},
    ]);
  });

  it('share a watch, which ends with the last of them', async () => {
    await putSession(test.store, 's-1');
    publisher.open('one', session);
    publisher.open('two', session);
    publisher.open('plan', {kind: 'plan', sessionId: 's-1'});
    await until('plan', ({event}) => event.kind === 'plan');
    await until('two', ({event}) => event.kind === 'rows');
    assert.equal(source.views.size, 2, 'the session, and its approvals');
    publisher.close('one');
    publisher.close('plan');
    assert.equal(source.views.size, 2);
    publisher.close('two');
    assert.equal(source.views.size, 0);
  });

  it('begin anew when a page asks again, under a higher generation', async () => {
    await putSession(test.store, 's-1');
    publisher.open('t', session);
    await until('t', ({event}) => event.kind === 'rows');
    publisher.open('t', session);
    const again = await until('t', ({generation}) => generation === 2);
    assert.deepEqual([again.seq, again.event.kind], [1, 'rows']);
  });

  it('say nothing to a hidden page, and all of it when it is seen again', async () => {
    await putSession(test.store, 's-1');
    publisher.open('t', session);
    await until('t', ({event}) => event.kind === 'rows');
    publisher.setVisible(false);
    assert.equal(source.views.size, 0, 'nothing is watched for a hidden page');
    const {attemptId} = await placeAttempt(test.store);
    publisher.setVisible(true);
    const again = await until('t', ({generation}) => generation === 2);
    assert.equal(stateOf(again, attemptId), 'running');
  });

  it('begin anew after a message that did not arrive, once the page is seen again', async () => {
    await putSession(test.store, 's-1');
    publisher.open('t', session);
    await until('t', ({event}) => event.kind === 'rows');
    arrives = false;
    const {attemptId} = await placeAttempt(test.store);
    const follower = client.watch({view: 'session', sessionId: 's-1'});
    await found(() => (follower.rows.has(`attempt/${attemptId}`) ? true : undefined), WAIT_MS, 'the change');
    arrives = true;
    publisher.setVisible(false);
    publisher.setVisible(true);
    const again = await until('t', ({generation}) => generation > 1);
    assert.equal(stateOf(again, attemptId), 'running');
  });

  it('wait for a coordinator, and begin anew with another', async () => {
    await putSession(test.store, 's-1');
    publisher.use(undefined);
    publisher.open('t', session);
    assert.equal(source.views.size, 0);
    publisher.use(source);
    await until('t', ({event}) => event.kind === 'rows');
  });

  it('carry a transcript to its end', async () => {
    publisher.open('t', {kind: 'transcript', attemptId: 's-1.build.1', fromSeq: 1});
    await until('t', ({event}) => event.kind === 'transcript' && event.ended);
    const texts = of('t').flatMap(({event}) =>
      event.kind === 'transcript'
        ? event.events.map(each => (each.kind === 'notice' ? each.text : each.kind))
        : [],
    );
    assert.deepEqual(texts, ['event 1', 'event 2']);
  });
});
