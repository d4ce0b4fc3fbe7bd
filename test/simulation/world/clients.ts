/** Clients of the simulated cluster: each asks one thing at a time, of whichever node it believes to lead, and records what it asks and hears. */
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import type {HistoryEvent} from '../checker/history.ts';
import type {StoreInput, StoreOutput} from '../checker/storeModel.ts';
import type {Chance} from './chance.ts';
import type {Member} from './member.ts';
import type {Answer} from './memberService.ts';
import type {Network} from './network.ts';
import {Requests} from './requests.ts';
import type {Scheduler} from './scheduler.ts';

/** What clients see of the cluster. */
export interface ClusterView {
  readonly scheduler: Scheduler;
  readonly network: Network;
  /** Addresses that a client knows. */
  readonly ids: readonly string[];
  member(id: string): Member | undefined;
  record(event: HistoryEvent): void;
}

/** Patience of a client, ms. */
const TIMEOUTS_MS = [150, 400, 900, 1600] as const;
const THINK_MS = 25;
/** Part of the requests that go to any node, so that followers and leaders of the past are asked, too. */
const ANYWHERE = 0.25;

export interface ClientStatus {
  answered: number;
  refused: number;
  unknown: number;
}

export class Client {
  readonly status: ClientStatus = {answered: 0, refused: 0, unknown: 0};
  private target: string;
  private readonly leases: string[] = [];
  private readonly requests: Requests;
  private stopped = false;

  constructor(
    private readonly name: string,
    private readonly cluster: ClusterView,
    private readonly chance: Chance,
    private readonly nextId: () => number,
  ) {
    this.target = chance.pick(cluster.ids);
    this.requests = new Requests(name, chance);
  }

  start(): void {
    this.cluster.scheduler.after(this.chance.around(THINK_MS), () => this.next());
  }

  stop(): void {
    this.stopped = true;
  }

  /** One write of its own, beside the others; `done` hears whether it was answered. */
  probe(done: (answered: boolean) => void): void {
    this.ask({kind: 'txn', txn: {then: [{kind: 'put', key: 'probe', value: this.requests.value()}]}}, done);
  }

  /** Reads everything on one node, beside the others. */
  peek(node: string): void {
    this.ask({kind: 'txn', txn: {then: [{kind: 'range', prefix: ''}]}}, () => undefined, node);
  }

  /** Takes a lease on one node, beside its own: it is renewed by `renew` only. */
  take(node: string, ttlSeconds: number, taken: (lease: string) => void): void {
    this.ask(
      {kind: 'grantLease', ttlSeconds},
      () => undefined,
      node,
      output => {
        if (output.kind === 'granted') taken(output.lease);
      },
    );
  }

  renew(node: string, lease: string): void {
    this.ask(
      {kind: 'keepAlive', lease},
      () => undefined,
      node,
      () => undefined,
    );
  }

  private next(): void {
    if (this.stopped) return;
    if (this.chance.happens(0.03)) this.readLocally();
    this.ask(this.requests.draw(this.leases[0]), () => this.start());
  }

  private ask(
    input: StoreInput,
    done: (answered: boolean) => void,
    node?: string,
    heed: (output: StoreOutput) => void = output => this.learn(input, output),
  ): void {
    const {cluster, name} = this;
    const {scheduler, network} = cluster;
    const id = this.nextId();
    const to = node ?? (this.chance.happens(ANYWHERE) ? this.chance.pick(cluster.ids) : this.target);
    let over = false;
    const end = (answered: boolean): void => {
      over = true;
      done(answered);
    };
    cluster.record({type: 'call', at: scheduler.now, id, process: name, input});
    const hear = (answer: Answer): void => {
      if (over) return;
      if (answer.kind === 'answer') {
        this.status.answered += 1;
        cluster.record({type: 'answer', at: scheduler.now, id, output: answer.output});
        heed(answer.output);
        end(true);
      } else if (answer.kind === 'refused') {
        this.status.refused += 1;
        cluster.record({type: 'refused', at: scheduler.now, id});
        this.target = answer.leader ?? this.chance.pick(cluster.ids);
        scheduler.after(this.chance.around(10), () => end(false));
      }
    };
    network.send(
      name,
      to,
      () => {
        const answer = (said: Answer): void => network.send(to, name, () => hear(said), true);
        const member = cluster.member(to);
        if (member) member.process.run(() => member.service.request(input, answer));
        else answer({kind: 'refused', leader: undefined});
      },
      true,
    );
    scheduler.after(this.chance.pick(TIMEOUTS_MS), () => {
      if (over) return;
      this.status.unknown += 1;
      this.target = this.chance.pick(cluster.ids);
      end(false);
    });
  }

  private readLocally(): void {
    const {cluster, chance, name} = this;
    const node = chance.pick(cluster.ids);
    const found = cluster.member(node)?.service.local();
    if (!found) return;
    const {revision, kvs} = found;
    cluster.record({type: 'local', at: cluster.scheduler.now, process: name, node, revision, kvs});
  }

  private learn(input: StoreInput, output: StoreOutput): void {
    if (output.kind === 'granted') this.leases.push(output.lease);
    if (input.kind === 'revokeLease' || (output.kind === 'alive' && !output.alive)) this.leases.shift();
  }
}

/** Follows the changes under a prefix through restarts and changes of node, each time from behind the last revision that it was given. */
export class Watcher {
  private from = 1;
  private life = 0;
  private at: Member | undefined;
  private subscription: Disposable | undefined;

  constructor(
    private readonly name: string,
    private readonly prefix: string,
    private readonly cluster: ClusterView,
    private readonly chance: Chance,
  ) {}

  start(): void {
    const {chance, cluster} = this;
    if (this.at && (!this.at.process.alive || chance.happens(0.02))) {
      this.subscription?.dispose();
      this.at = undefined;
    }
    if (!this.at) this.attach();
    cluster.scheduler.after(50, () => this.start());
  }

  private attach(): void {
    const {cluster, chance, prefix} = this;
    const member = cluster.member(chance.pick(cluster.ids));
    if (!member?.isOpen) return;
    const watcher = `${this.name}.${this.life}`;
    const {now} = cluster.scheduler;
    cluster.record({type: 'watch', at: now, watcher, prefix, from: this.from});
    this.at = member;
    this.subscription = member.service.watch(prefix, this.from, message => {
      if (this.at !== member) return;
      const at = cluster.scheduler.now;
      if (message.kind === 'events') {
        this.from = message.revision + 1;
        const {revision, events} = message;
        cluster.record({type: 'events', at, watcher, revision, events});
      } else if (message.kind === 'compacted') {
        cluster.record({type: 'compacted', at, watcher, revision: message.compactRevision});
        this.from = message.compactRevision + 1;
        this.life += 1;
        this.at = undefined;
      } else this.at = undefined;
    });
  }
}
