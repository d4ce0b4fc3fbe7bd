/**
 * A page in a browser is its own host: it connects to the coordinator that served it, and publishes to itself. The token comes in the address's
 * fragment, which no server sees, and stays in this tab.
 */
import {type BrowserWebSocketConstructor, browserSocket} from '../../coordinator/client/browserSocket.ts';
import {FeedPublisher} from '../../coordinator/client/feed/publisher.ts';
import {answerQuery} from '../../coordinator/client/feed/queries.ts';
import {SharedViews} from '../../coordinator/client/feed/sharedViews.ts';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {PlanReader} from '../../coordinator/client/mirror/planReader.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {DEFAULT_TENANT, parseAttemptId} from '../../coordinator/protocol/ids.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {type FromPage, FromPage as FromPageSchema, type PageState, type ToPage} from '../messages.ts';
import {addressOf, pageAt, tokenIn} from './address.ts';
import {type ActionOutcome, performAction} from './browserActions.ts';
import {browserRandom} from './browserRandom.ts';
import type {PageHost} from './pageHost.ts';

const TOKEN_KEY = 'mcpx.token';

export class BrowserHost implements PageHost {
  private readonly messages = new Emitter<ToPage>();
  private readonly publisher: FeedPublisher;
  private connection: {readonly client: McpxClient; readonly lifetime: DisposableStore} | undefined;
  private token: string | undefined;

  readonly onMessage = this.messages.event;
  readonly workerUrl = '/web/layoutWorker.js';

  constructor() {
    this.publisher = new FeedPublisher({
      clock: systemClock,
      post: message => {
        this.messages.emit({kind: 'feed', message});
        return true;
      },
    });
    this.takeToken();
    window.addEventListener('hashchange', () => {
      if (this.takeToken()) this.connect();
      this.messages.emit({kind: 'show', state: pageAt(location.hash)});
    });
    document.addEventListener('visibilitychange', () => this.publisher.setVisible(!document.hidden));
  }

  /** As over a wire: nothing is answered before this returns. */
  send(message: FromPage): void {
    queueMicrotask(() => this.take(FromPageSchema.parse(message)));
  }

  private take(parsed: FromPage): void {
    switch (parsed.kind) {
      case 'ready':
        this.publisher.closeAll();
        this.messages.emit({kind: 'hello', state: pageAt(location.hash), host: 'browser', l10n: {}});
        this.connect();
        return;
      case 'open':
        this.publisher.open(parsed.topicId, parsed.topic);
        return;
      case 'close':
        this.publisher.close(parsed.topicId);
        return;
      case 'state':
        this.remember(parsed.state);
        return;
      case 'action':
      case 'query':
        void this.answer(parsed);
        return;
    }
  }

  /** A person typed it, where none came with the address. */
  useToken(token: string): void {
    this.token = token;
    sessionStorage.setItem(TOKEN_KEY, token);
    this.connect();
  }

  /** The fragment's token goes out of the address at once, and is kept for reloads of this tab. */
  private takeToken(): boolean {
    const given = tokenIn(location.hash);
    if (given) {
      sessionStorage.setItem(TOKEN_KEY, given.token);
      history.replaceState(null, '', given.to);
    }
    this.token = sessionStorage.getItem(TOKEN_KEY) ?? undefined;
    return given !== undefined;
  }

  private remember(state: PageState): void {
    const address = addressOf(state);
    if (address === (location.hash || '#/')) return;
    const moved = pageAt(location.hash).page !== state.page;
    if (moved) history.pushState(null, '', address);
    else history.replaceState(null, '', address);
  }

  private connect(): void {
    this.connection?.lifetime.dispose();
    this.connection = undefined;
    if (this.token === undefined) {
      this.publisher.use(undefined);
      this.messages.emit({kind: 'connection', state: 'stopped', message: NEEDS_TOKEN});
      return;
    }
    const lifetime = new DisposableStore();
    const client = lifetime.add(
      connectClient({
        urls: [`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`],
        token: () => this.token,
        openSocket: browserSocket(WebSocket as BrowserWebSocketConstructor),
        clock: systemClock,
        random: browserRandom,
        logger: silentLogger,
        implementation: {name: 'mcpx-browser', version: '0'},
      }),
    );
    this.connection = {client, lifetime};
    lifetime.add(client.onState(() => this.tellConnection(client)));
    const views = lifetime.add(new SharedViews(client));
    this.publisher.use({client, views, plans: new PlanReader(sha256 => this.readArtifact(sha256))});
    this.tellConnection(client);
  }

  private tellConnection(client: McpxClient): void {
    const {state} = client.connection;
    if (state.kind !== 'waiting') {
      this.messages.emit({kind: 'connection', state: state.kind});
      return;
    }
    this.messages.emit({kind: 'connection', state: 'waiting', message: describeError(state.error)});
    // A browser does not say why a socket never opened: whether it was the token, a request can tell.
    void this.checkToken();
  }

  private async checkToken(): Promise<void> {
    const checked = this.token;
    try {
      await this.readArtifact('0'.repeat(64));
    } catch (error) {
      if (!isCoordinatorError(error, 'unauthorized') || checked !== this.token) return;
      sessionStorage.removeItem(TOKEN_KEY);
      this.token = undefined;
      this.connect();
    }
  }

  private async readArtifact(sha256: string): Promise<Uint8Array> {
    const response = await fetch(`/artifacts/${DEFAULT_TENANT}/${sha256}`, {
      headers: {authorization: `Bearer ${this.token ?? ''}`},
      cache: 'no-store',
    });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    if (response.status === 401) throw new CoordinatorError('unauthorized', NEEDS_TOKEN);
    throw new CoordinatorError('notFound', `the coordinator has no artifact ${sha256.slice(0, 12)}`);
  }

  private async answer(message: Extract<FromPage, {kind: 'action' | 'query'}>): Promise<void> {
    const outcome = await this.outcomeOf(message);
    this.messages.emit({kind: 'answered', id: message.id, outcome});
  }

  private async outcomeOf(message: Extract<FromPage, {kind: 'action' | 'query'}>): Promise<ActionOutcome> {
    const client = this.connection?.client;
    if (!client) return {kind: 'failed', message: NEEDS_TOKEN};
    try {
      if (message.kind === 'query') return {kind: 'done', value: await answerQuery(client, message.query)};
      const {action} = message;
      if (action.kind === 'session' && (action.command === 'openGraph' || action.command === 'openSession')) {
        const page = action.command === 'openGraph' ? 'graph' : 'session';
        this.messages.emit({kind: 'show', state: {page, sessionId: action.sessionId}});
        return {kind: 'done'};
      }
      const attempt =
        action.kind === 'attempt' && action.command === 'attach'
          ? parseAttemptId(action.attemptId)
          : undefined;
      if (attempt && action.kind === 'attempt') {
        const {attemptId} = action;
        this.messages.emit({kind: 'show', state: {page: 'session', sessionId: attempt.sessionId, attemptId}});
        return {kind: 'done'};
      }
      return await performAction(client, action);
    } catch (error) {
      return {kind: 'failed', message: describeError(error)};
    }
  }
}

const NEEDS_TOKEN =
  'This page needs a token of the coordinator: none was given, or it is not valid any more.';
