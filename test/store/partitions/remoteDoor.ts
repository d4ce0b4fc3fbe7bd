/** The door of a member in another process: a TCP connection of its own, made when it is needed, and again after it was lost. */
import {connect, type Socket} from 'node:net';
import {createInterface} from 'node:readline';
import {type Deferred, deferred} from '../../../coordinator/runtime/deferred.ts';
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import type {StoreStatus, WatchMessage} from '../../../coordinator/store/store.ts';
import type {StoreInput} from '../../simulation/checker/storeModel.ts';
import type {Door, LocalState, Reply} from './door.ts';
import type {MemberDump} from './memberDump.ts';
import type {ServerMessage, ServerRequest} from './memberServer.ts';

type Value = Extract<ServerMessage, {call: number}>['value'];

export class RemoteDoor implements Door {
  private line: Line | undefined;

  constructor(
    readonly name: string,
    private readonly host: string,
    private readonly port: number,
  ) {}

  async ask(input: StoreInput): Promise<Reply> {
    const line = this.open();
    if (!(await line.connected)) return {kind: 'refused', why: `${this.name} cannot be reached`};
    const reply = await line.call<Reply>(call => ({call, ask: input}));
    return reply ?? {kind: 'unknown', why: `the connection to ${this.name} was lost`};
  }

  local(): Promise<LocalState | undefined> {
    return this.open().call<LocalState>(call => ({call, tell: 'local'}));
  }

  status(): Promise<StoreStatus | undefined> {
    return this.open().call<StoreStatus>(call => ({call, tell: 'status'}));
  }

  dump(revision: number): Promise<MemberDump | undefined> {
    return this.open().call<MemberDump>(call => ({call, dump: revision}));
  }

  watch(prefix: string, fromRevision: number, listener: (message: WatchMessage) => void): Disposable {
    return this.open().watch(prefix, fromRevision, listener);
  }

  close(): void {
    this.line?.close();
    this.line = undefined;
  }

  private open(): Line {
    if (!this.line || this.line.closed) this.line = new Line(this.host, this.port);
    return this.line;
  }
}

class Line {
  /** Resolves to false when it cannot be made. */
  readonly connected: Promise<boolean>;
  closed = false;
  private readonly socket: Socket;
  private readonly calls = new Map<number, Deferred<Value | undefined>>();
  private readonly watches = new Map<number, (message: WatchMessage) => void>();
  private last = 0;

  constructor(host: string, port: number) {
    const connected = deferred<boolean>();
    this.connected = connected.promise;
    this.socket = connect({host, port, noDelay: true});
    this.socket.once('connect', () => connected.resolve(true));
    this.socket.on('error', () => undefined);
    this.socket.once('close', () => {
      connected.resolve(false);
      this.end();
    });
    createInterface({input: this.socket})
      .on('line', line => this.take(JSON.parse(line)))
      .on('error', () => undefined);
  }

  /** Resolves to undefined when the connection is lost. */
  async call<T extends Value>(request: (call: number) => ServerRequest): Promise<T | undefined> {
    if (!(await this.connected) || this.closed) return undefined;
    const id = this.next();
    const answer = deferred<Value | undefined>();
    this.calls.set(id, answer);
    this.send(request(id));
    return answer.promise.then(value => value as T | undefined);
  }

  watch(prefix: string, from: number, listener: (message: WatchMessage) => void): Disposable {
    const watch = this.next();
    this.watches.set(watch, listener);
    this.connected.then(
      ok => {
        if (ok && this.watches.has(watch)) this.send({watch, prefix, from});
      },
      () => undefined,
    );
    return {
      dispose: () => {
        if (this.watches.delete(watch) && !this.closed) this.send({unwatch: watch});
      },
    };
  }

  close(): void {
    this.socket.destroy();
    this.end();
  }

  private next(): number {
    this.last += 1;
    return this.last;
  }

  private send(request: ServerRequest): void {
    this.socket.write(`${JSON.stringify(request)}\n`);
  }

  private take(message: ServerMessage): void {
    if (this.closed) return;
    if ('watch' in message) this.watches.get(message.watch)?.(message.message);
    else {
      this.calls.get(message.call)?.resolve(message.value);
      this.calls.delete(message.call);
    }
  }

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    for (const call of this.calls.values()) call.resolve(undefined);
    const watches = [...this.watches.values()];
    this.watches.clear();
    for (const listener of watches) listener({kind: 'closed'});
  }
}
