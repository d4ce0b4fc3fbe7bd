/** Clusters of real processes on loopback: started, killed and spoken to by the tests. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {type Deferred, deferred} from '../../../coordinator/runtime/deferred.ts';
import type {ClusterStatus} from '../../../coordinator/store/embedded/clusterCalls.ts';
import type {PeerSettings} from '../../../coordinator/store/embedded/peers/peerSettings.ts';
import type {EmbeddedSettings} from '../../../coordinator/store/embedded/settings.ts';
import type {
  KeyValue,
  Lease,
  RangeResult,
  StoreStatus,
  Txn,
  TxnResult,
  WatchMessage,
} from '../../../coordinator/store/store.ts';
import {freePort} from '../../support/freePorts.ts';

export interface MemberOptions {
  readonly node: string;
  readonly directory: string;
  readonly port: number;
  readonly peers: Readonly<Record<string, string>>;
  readonly start?: 'found' | 'join';
  readonly cluster?: string;
  readonly secret?: string;
  readonly settings?: Partial<EmbeddedSettings>;
  readonly peerSettings?: Partial<PeerSettings>;
}

type Action =
  | {readonly do: 'txn'; readonly txn: Txn}
  | {readonly do: 'get'; readonly key: string; readonly local?: boolean}
  | {readonly do: 'range'; readonly prefix: string}
  | {readonly do: 'status'}
  | {readonly do: 'add'; readonly id: string; readonly address: string}
  | {readonly do: 'remove'; readonly id: string}
  | {readonly do: 'transfer'; readonly to?: string}
  | {readonly do: 'grantLease'; readonly ttlSeconds: number}
  | {readonly do: 'keepAlive'; readonly lease: string}
  | {readonly do: 'watch'; readonly prefix: string}
  | {readonly do: 'disk'; readonly fault: 'none' | 'hang' | 'full'}
  | {readonly do: 'close'};
export interface MemberCommand {
  readonly call: number;
  readonly action: Action;
}

export type MemberReply =
  | {readonly opened: string}
  | {readonly failed: string; readonly message: string}
  | {readonly ended: string}
  | {readonly watch: string; readonly message: WatchMessage}
  | {readonly call: number; readonly value: unknown}
  | {readonly call: number; readonly error: {readonly code: string; readonly message: string}};

/** A failure that a member answered with. */
export class MemberError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const PROGRAM = fileURLToPath(new URL('memberProcess.ts', import.meta.url));

/** Small, so that tests need not wait; still far from what a loaded machine takes for a turn. */
export const QUICK: Partial<EmbeddedSettings> = {
  raftTickMs: 50,
  heartbeatMs: 100,
  electionMs: 800,
  resendMs: 800,
  writeTimeoutMs: 30_000,
};

export class Member {
  readonly watched: WatchMessage[] = [];
  private readonly process: ChildProcess;
  private readonly opening = deferred<void>();
  private readonly exiting = deferred<number | null>();
  private readonly ending = deferred<string>();
  private readonly refusing = deferred<void>();
  private readonly calls = new Map<number, Deferred<unknown>>();
  private called = 0;
  private readonly listeners = new Set<() => void>();

  constructor(readonly options: MemberOptions) {
    this.process = spawn(process.execPath, ['--import', 'tsx', PROGRAM, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.opening.promise.catch(() => undefined);
    this.process.once('exit', code => {
      this.opening.reject(new MemberError('closed', `${options.node} exited`));
      for (const call of this.calls.values())
        call.reject(new MemberError('closed', `${options.node} exited`));
      this.exiting.resolve(code);
    });
    // Writing to one that was killed fails, and its exit says it.
    this.process.stdin?.on('error', () => undefined);
    assert.ok(this.process.stdout && this.process.stderr);
    createInterface({input: this.process.stderr}).on('line', line => {
      if (/unauthorized|does not know the secret|does not belong|is another node/.test(line))
        this.refusing.resolve();
      if (process.env['MCPX_TEST_LOG']) process.stderr.write(`${line}\n`);
    });
    createInterface({input: this.process.stdout}).on('line', line => this.take(JSON.parse(line)));
  }

  get opened(): Promise<void> {
    return this.opening.promise;
  }

  get exited(): Promise<number | null> {
    return this.exiting.promise;
  }

  /** Resolves with the reason when the store has stopped by itself. */
  get ended(): Promise<string> {
    return this.ending.promise;
  }

  /** Resolves when it says that another member does not let it in. */
  get refused(): Promise<void> {
    return this.refusing.promise;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  txn(txn: Txn): Promise<TxnResult> {
    return this.ask<TxnResult>({do: 'txn', txn});
  }

  put(key: string, value: string): Promise<TxnResult> {
    return this.txn({then: [{kind: 'put', key, value}]});
  }

  async get(key: string, local = false): Promise<string | undefined> {
    return (await this.ask<KeyValue | null>({do: 'get', key, local}))?.value;
  }

  range(prefix: string): Promise<RangeResult> {
    return this.ask<RangeResult>({do: 'range', prefix});
  }

  status(): Promise<ClusterStatus & {store: StoreStatus}> {
    return this.ask<ClusterStatus & {store: StoreStatus}>({do: 'status'});
  }

  add(id: string, address: string): Promise<null> {
    return this.ask<null>({do: 'add', id, address});
  }

  remove(id: string): Promise<null> {
    return this.ask<null>({do: 'remove', id});
  }

  transfer(to?: string): Promise<string> {
    return this.ask<string>(to === undefined ? {do: 'transfer'} : {do: 'transfer', to});
  }

  grantLease(ttlSeconds: number): Promise<Lease> {
    return this.ask<Lease>({do: 'grantLease', ttlSeconds});
  }

  keepAlive(lease: string): Promise<boolean> {
    return this.ask<boolean>({do: 'keepAlive', lease});
  }

  async breakDisk(fault: 'none' | 'hang' | 'full'): Promise<void> {
    await this.ask<null>({do: 'disk', fault});
  }

  async watch(prefix: string): Promise<void> {
    await this.ask<null>({do: 'watch', prefix});
  }

  /** Resolves when what was watched satisfies `isDone`. */
  async untilWatched(isDone: (messages: readonly WatchMessage[]) => boolean): Promise<void> {
    const done = deferred<void>();
    const look = (): void => {
      if (isDone(this.watched)) done.resolve();
    };
    this.listeners.add(look);
    look();
    await done.promise;
    this.listeners.delete(look);
  }

  async close(): Promise<void> {
    await this.ask<null>({do: 'close'});
    this.process.stdin?.end();
    await this.exited;
  }

  private ask<T>(action: Action): Promise<T> {
    this.called += 1;
    const call = this.called;
    const answer = deferred<unknown>();
    this.calls.set(call, answer);
    const command: MemberCommand = {call, action};
    this.process.stdin?.write(`${JSON.stringify(command)}\n`);
    return answer.promise.then(value => value as T);
  }

  private take(reply: MemberReply): void {
    if ('opened' in reply) this.opening.resolve();
    else if ('failed' in reply) this.opening.reject(new MemberError(reply.failed, reply.message));
    else if ('ended' in reply) this.ending.resolve(reply.ended);
    else if ('watch' in reply) {
      this.watched.push(reply.message);
      for (const look of this.listeners) look();
    } else {
      const call = this.calls.get(reply.call);
      this.calls.delete(reply.call);
      if ('error' in reply) call?.reject(new MemberError(reply.error.code, reply.error.message));
      else call?.resolve(reply.value);
    }
  }
}

/** Members on free ports of this machine, in a folder of their own. */
export class Members {
  readonly all = new Map<string, Member>();
  private peers: Record<string, string> = {};

  private constructor(private readonly folder: string) {}

  static async start(nodes: readonly string[], options: Partial<MemberOptions> = {}): Promise<Members> {
    const members = new Members(await mkdtemp(path.join(tmpdir(), 'mcpx-cluster-')));
    for (const node of nodes) await members.addressOf(node);
    for (const node of nodes) members.boot(node, options);
    await Promise.all([...members.all.values()].map(member => member.opened));
    return members;
  }

  /** Where a node is reached; a port is found for a new one. */
  async addressOf(node: string): Promise<string> {
    const known = this.peers[node];
    if (known !== undefined) return known;
    const address = `ws://127.0.0.1:${await freePort()}`;
    this.peers = {...this.peers, [node]: address};
    return address;
  }

  /** Starts a process for a node, on what its directory holds. */
  boot(node: string, options: Partial<MemberOptions> = {}): Member {
    const address = this.peers[node];
    assert.ok(address);
    const member = new Member({
      settings: QUICK,
      ...options,
      node,
      directory: path.join(this.folder, options.directory ?? node),
      port: Number(new URL(address).port),
      peers: options.peers ?? this.peers,
    });
    this.all.set(node, member);
    return member;
  }

  member(node: string): Member {
    const member = this.all.get(node);
    assert.ok(member, node);
    return member;
  }

  /** Who leads, by the word of anybody who has a leader. */
  async leader(among: readonly string[] = [...this.all.keys()]): Promise<Member> {
    for (;;) {
      for (const node of among) {
        const {leader} = await this.member(node).status();
        if (leader !== undefined && among.includes(leader)) return this.member(leader);
      }
    }
  }

  others(than: Member): Member[] {
    return [...this.all.values()].filter(member => member !== than);
  }

  forget(node: string): void {
    this.all.delete(node);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.all.values()].map(member => member.kill()));
    await rm(this.folder, {recursive: true, force: true});
  }
}
