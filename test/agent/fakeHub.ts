/** A hub over a real WebSocket that tests script: it keeps what agents send, answers as told, and loses connections on demand. */
import {once} from 'node:events';
import * as http from 'node:http';
import type {AddressInfo} from 'node:net';
import {type WebSocket, WebSocketServer} from 'ws';
import {CLOSE_CODES} from '../../coordinator/bridge/closeCodes.ts';
import {FrameTransport} from '../../coordinator/bridge/frameTransport.ts';
import {type IncomingCall, Peer} from '../../coordinator/bridge/peer.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {
  Method,
  Params,
  ParamsInput,
  Result,
  ResultInput,
} from '../../coordinator/protocol/commands/table.ts';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';

type Answers = {[M in Method]?: (params: Params<M>) => Promise<ResultInput<M>> | ResultInput<M>};

export class FakeHub {
  /** Every call that arrived, in order. */
  readonly calls: {readonly method: Method; readonly params: unknown}[] = [];
  /** Transcripts as a hub keeps them: only what continues them is taken. */
  readonly transcripts = new Map<string, TranscriptEvent[]>();
  /** Completions taken, by attempt. */
  readonly completed = new Map<string, Params<'mcpx.orchestrate.task.complete'>>();
  readonly answers: Answers = {};
  stale: string[] = [];
  heartbeatMs = 60_000;
  /** The next answer is not sent; the connection is cut instead, after the effect. */
  cutBeforeAnswer: Method | undefined;
  private readonly waiting = new Map<string, () => void>();
  private readonly onCall = new Emitter<void>();
  private readonly sockets = new Set<WebSocket>();
  private peer: Peer | undefined;
  private refusing = false;

  private constructor(
    private readonly server: http.Server,
    private readonly socketServer: WebSocketServer,
    readonly url: string,
  ) {
    socketServer.on('connection', socket => this.accept(socket));
  }

  /** `routes` serves plain HTTP on the same port, such as artifacts. */
  static async listen(routes?: http.RequestListener): Promise<FakeHub> {
    const server = http.createServer(routes);
    const handleProtocols = (offered: Set<string>): string | false => [...offered][0] ?? false;
    const socketServer = new WebSocketServer({server, handleProtocols});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const {port} = server.address() as AddressInfo;
    return new FakeHub(server, socketServer, `ws://127.0.0.1:${port}`);
  }

  async close(): Promise<void> {
    this.cut();
    this.socketServer.close();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Loses every connection; with `stayAway` new ones too, until `welcome`. */
  cut(options: {stayAway?: boolean} = {}): void {
    this.refusing = options.stayAway ?? false;
    for (const socket of this.sockets) socket.terminate();
  }

  /** Tells the agent that another one has its id. */
  replaceAgent(): void {
    for (const socket of this.sockets) socket.close(CLOSE_CODES.replaced, 'replaced');
  }

  welcome(): void {
    this.refusing = false;
  }

  /** Sends a command to the agent. */
  send<M extends Method>(method: M, params: ParamsInput<M>, timeoutMs = 20_000): Promise<Result<M>> {
    if (!this.peer) throw new Error('no agent is connected');
    return this.peer.request(method, params, {timeoutMs});
  }

  /** Sends a command that may take its time; aborting `signal` cancels it. */
  ask<M extends Method>(method: M, params: ParamsInput<M>, signal?: AbortSignal): Promise<Result<M>> {
    if (!this.peer) throw new Error('no agent is connected');
    return this.peer.request(method, params, {timeoutMs: 60_000, ...(signal ? {signal} : {})});
  }

  of<M extends Method>(method: M): Params<M>[] {
    return this.calls.filter(call => call.method === method).map(call => call.params as Params<M>);
  }

  events<K extends TranscriptEvent['kind']>(
    attemptId: string,
    kind: K,
  ): Extract<TranscriptEvent, {kind: K}>[] {
    const all = this.transcripts.get(attemptId) ?? [];
    return all.filter((event): event is Extract<TranscriptEvent, {kind: K}> => event.kind === kind);
  }

  /** Resolves when `condition` holds, looked at after every call; rejects after `timeoutMs`. */
  async until(what: string, condition: () => boolean, timeoutMs = 45_000): Promise<void> {
    if (condition()) return;
    const met = deferred<void>();
    const listening = this.onCall.event(() => {
      if (condition()) met.resolve();
    });
    const timer = setTimeout(
      () => met.reject(new Error(`still not so after ${timeoutMs} ms: ${what}`)),
      timeoutMs,
    );
    try {
      await met.promise;
    } finally {
      clearTimeout(timer);
      listening.dispose();
    }
  }

  registered(count = 1): Promise<void> {
    return this.until(`registration ${count}`, () => this.of('mcpx.agent.register').length >= count);
  }

  async completion(attemptId: string): Promise<Params<'mcpx.orchestrate.task.complete'>> {
    await this.until(`the completion of ${attemptId}`, () => this.completed.has(attemptId));
    const completion = this.completed.get(attemptId);
    if (!completion) throw new Error('no completion');
    return completion;
  }

  /** Resolves once the completion has been taken; cheaper than `completion` for thousands. */
  taken(attemptId: string): Promise<void> {
    if (this.completed.has(attemptId)) return Promise.resolve();
    return new Promise(resolve => this.waiting.set(attemptId, resolve));
  }

  /** Serves a socket that the hub opened itself. */
  adopt(socket: WebSocket): void {
    this.accept(socket);
  }

  private accept(socket: WebSocket): void {
    if (this.refusing) {
      socket.terminate();
      return;
    }
    this.sockets.add(socket);
    const peer = new Peer({implementation: {name: 'fake-hub', version: '0'}, logger: silentLogger});
    peer.handle(call => this.serve(call));
    const transport = new FrameTransport({
      send: text => socket.send(text),
      close: (code, reason) => socket.close(code, reason),
    });
    socket.on('message', data => transport.receive(data.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.sockets.delete(socket);
      transport.end();
    });
    peer.attach(transport);
    this.peer = peer;
  }

  private async serve(call: IncomingCall): Promise<object> {
    this.calls.push({method: call.method, params: call.params});
    const scripted = this.answers[call.method] as ((params: unknown) => Promise<object> | object) | undefined;
    try {
      return scripted ? await scripted(call.params) : this.answer(call);
    } finally {
      if (this.cutBeforeAnswer === call.method) {
        this.cutBeforeAnswer = undefined;
        this.cut();
      }
      queueMicrotask(() => this.onCall.emit());
    }
  }

  private answer(call: IncomingCall): object {
    switch (call.method) {
      case 'mcpx.agent.register':
        return {
          coordinator: 'c1',
          store: 'store-1',
          leaseSeconds: 15,
          heartbeatMs: this.heartbeatMs,
          stale: this.stale,
        };
      case 'mcpx.status.update':
        return this.append(call.params);
      case 'mcpx.orchestrate.task.complete':
        this.completed.set(call.params.attemptId, call.params);
        this.waiting.get(call.params.attemptId)?.();
        this.waiting.delete(call.params.attemptId);
        return {accepted: true, gates: false};
      case 'mcpx.health.check':
        return {id: 'c1', status: 'ok', at: 0};
      case 'mcpx.coordinate.dependency.resolve':
        return {results: [], bundles: []};
      case 'mcpx.approval.ask':
      case 'mcpx.ref.update':
      case 'mcpx.metrics.report':
      case 'mcpx.agent.drain':
      case 'mcpx.agent.goodbye':
      case 'mcpx.agent.rateLimited':
      case 'mcpx.agent.kept':
        return {};
      default:
        throw new ProtocolError('methodNotFound', call.method);
    }
  }

  /** Takes what continues the transcript; what it has already is passed over. */
  private append({attemptId, firstSeq, events}: Params<'mcpx.status.update'>): object {
    const kept = this.transcripts.get(attemptId) ?? [];
    this.transcripts.set(attemptId, kept);
    if (firstSeq > kept.length + 1) throw new Error(`a hole before event ${firstSeq}`);
    kept.push(...events.slice(kept.length + 1 - firstSeq));
    return {ackedSeq: kept.length};
  }
}
