/** Clients of a real store and watchers of its changes, with one recorder for all: what they ask, hear and are given, in the order in which it happened. */
import {setTimeout as pause} from 'node:timers/promises';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import type {KeyValue, WatchMessage} from '../../../coordinator/store/store.ts';
import type {HistoryEvent} from '../../simulation/checker/history.ts';
import type {StoreInput, StoreOutput} from '../../simulation/checker/storeModel.ts';
import type {Chance} from '../../simulation/world/chance.ts';
import {Requests} from '../../simulation/world/requests.ts';
import type {Door, Reply} from './door.ts';

const THINK_MS = 30;
const PATIENCE_MS = [600, 1200, 2500] as const;
/** After a refusal, so that refusals do not crowd out the rest. */
const DISCOURAGED_MS = 60;
/** Part of the requests that go to any door, so that followers and leaders of the past are asked, too. */
const ANYWHERE = 0.25;
const LOCALLY = 0.03;
const BY_REVISION = 0.12;
const LOOK_MS = 50;
const MOVE = 0.02;

export class Recorder {
  readonly history: HistoryEvent[] = [];
  private last = 0;
  private answer = deferred<void>();

  /** Resolves when a client is next answered. */
  nextAnswer(): Promise<void> {
    return this.answer.promise;
  }

  record(event: HistoryEvent): void {
    this.history.push(event);
  }

  now(): number {
    return performance.now();
  }

  /** An answer that comes late is recorded when it comes. */
  async ask(process: string, door: Door, input: StoreInput): Promise<Reply> {
    this.last += 1;
    const id = this.last;
    this.record({type: 'call', at: this.now(), id, process, input});
    const reply = await door.ask(input);
    if (reply.kind === 'answer') {
      this.record({type: 'answer', at: this.now(), id, output: reply.output});
      this.answer.resolve();
      this.answer = deferred<void>();
    } else if (reply.kind === 'refused') this.record({type: 'refused', at: this.now(), id});
    return reply;
  }
}

/** Asks one thing at a time, unless it lost its patience with what it asked before. */
export class Client {
  private readonly requests: Requests;
  private readonly leases: string[] = [];
  private readonly seen = new Map<string, KeyValue>();
  private readonly open = new Set<Promise<unknown>>();
  private door: Door;
  private stopped = false;

  constructor(
    private readonly name: string,
    private readonly doors: readonly Door[],
    private readonly chance: Chance,
    private readonly recorder: Recorder,
  ) {
    this.requests = new Requests(name, chance);
    this.door = chance.pick(doors);
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      await pause(this.chance.around(THINK_MS));
      if (this.chance.happens(LOCALLY)) void this.readLocally();
      await this.turn(this.draw());
    }
  }

  /** Resolves when nothing that it asked can be answered any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    const [...open] = this.open;
    await Promise.race([Promise.all(open), pause(PATIENCE_MS[2], undefined, {ref: false})]);
    for (const door of this.doors) door.close();
    await Promise.all(open);
  }

  private async turn(input: StoreInput): Promise<void> {
    const {chance, doors, recorder} = this;
    const door = chance.happens(ANYWHERE) ? chance.pick(doors) : this.door;
    const asked = recorder.ask(this.name, door, input);
    this.open.add(asked);
    void asked.then(() => this.open.delete(asked));
    const reply = await before(asked, chance.pick(PATIENCE_MS));
    if (reply?.kind === 'answer') {
      this.learn(input, reply.output);
      return;
    }
    if (!reply) door.close();
    this.door = chance.pick(doors);
    await pause(chance.around(DISCOURAGED_MS));
  }

  /** As the simulation's clients, and now and then a compare-and-set by what was read before. */
  private draw(): StoreInput {
    const {chance, requests} = this;
    if (this.seen.size === 0 || !chance.happens(BY_REVISION)) return requests.draw(this.leases[0]);
    const {key, modRevision} = chance.pick([...this.seen.values()]);
    return {
      kind: 'txn',
      txn: {
        compare: [{key, target: 'mod', op: '=', operand: modRevision}],
        then: [{kind: 'put', key, value: requests.value()}],
        else: [{kind: 'get', key}],
      },
    };
  }

  private learn(input: StoreInput, output: StoreOutput): void {
    if (output.kind === 'granted') this.leases.push(output.lease);
    if (
      input.kind === 'revokeLease' ||
      (output.kind === 'alive' && !output.alive) ||
      output.kind === 'noLease'
    )
      this.leases.shift();
    const found =
      output.kind === 'got'
        ? [output.kv]
        : output.kind === 'txn'
          ? output.result.responses.flatMap(response => (response.kind === 'range' ? response.kvs : []))
          : [];
    for (const kv of found) if (kv && kv.lease === undefined) this.seen.set(kv.key, kv);
  }

  private async readLocally(): Promise<void> {
    const {chance, doors, name, recorder} = this;
    const door = chance.pick(doors);
    const state = await door.local();
    if (!state || this.stopped) return;
    const {revision, kvs} = state;
    recorder.record({type: 'local', at: recorder.now(), process: name, node: door.name, revision, kvs});
  }
}

/** Follows the changes under a prefix through losses of its door and changes of it, each time from behind the last revision that it was given. */
export class Watcher {
  private from: number;
  private life = 0;
  /** Counts its subscriptions: only the last is heard. */
  private turn = 0;
  private watching: {readonly door: Door; readonly subscription: Disposable} | undefined;
  private readonly ticking: ReturnType<typeof setInterval>;

  constructor(
    private readonly name: string,
    private readonly prefix: string,
    firstRevision: number,
    private readonly doors: readonly Door[],
    private readonly chance: Chance,
    private readonly recorder: Recorder,
  ) {
    this.from = firstRevision;
    this.ticking = setInterval(() => this.tick(), LOOK_MS);
  }

  /** The first revision that it has not been given. */
  get next(): number {
    return this.from;
  }

  stop(): void {
    clearInterval(this.ticking);
    this.leave();
    for (const door of this.doors) door.close();
  }

  private tick(): void {
    if (this.watching && this.chance.happens(MOVE)) this.leave();
    if (!this.watching) this.attach();
  }

  private leave(): void {
    const {watching} = this;
    this.watching = undefined;
    this.turn += 1;
    watching?.subscription.dispose();
    // What it had to say is not to be heard later.
    watching?.door.close();
  }

  private attach(): void {
    const {chance, doors, prefix, recorder} = this;
    const watcher = `${this.name}.${this.life}`;
    const door = chance.pick(doors);
    recorder.record({type: 'watch', at: recorder.now(), watcher, prefix, from: this.from});
    this.turn += 1;
    const {turn} = this;
    const subscription = door.watch(prefix, this.from, message => {
      if (this.turn === turn) this.take(message, watcher);
    });
    if (this.turn === turn) this.watching = {door, subscription};
  }

  private take(message: WatchMessage, watcher: string): void {
    const at = this.recorder.now();
    if (message.kind === 'events') {
      const {revision, events} = message;
      this.from = revision + 1;
      this.recorder.record({type: 'events', at, watcher, revision, events: [...events]});
      return;
    }
    if (message.kind === 'compacted') {
      this.recorder.record({type: 'compacted', at, watcher, revision: message.compactRevision});
      this.from = message.compactRevision + 1;
      this.life += 1;
    }
    this.leave();
  }
}

/** Resolves to undefined when `promise` takes longer. */
export async function before<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const over = new AbortController();
  const late = pause(ms, undefined, {signal: over.signal}).catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}
