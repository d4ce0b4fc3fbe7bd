/** One run from one seed: a cluster on hosts of its own, clients and watchers, faults one after the other, healing, and the verdict. */
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {formatHistory, type HistoryEvent} from '../../simulation/checker/history.ts';
import {Chance} from '../../simulation/world/chance.ts';
import {HostNetwork} from '../../support/hostNetwork.ts';
import {found} from '../../support/waiting.ts';
import {type Cluster, NODES} from './cluster.ts';
import type {Door} from './door.ts';
import {EmbeddedCluster} from './embeddedCluster.ts';
import {EtcdCluster} from './etcdCluster.ts';
import {describeStep, drawPlan, type Step} from './faultPlan.ts';
import {heal, inflict} from './inflict.ts';
import {judge} from './judge.ts';
import {mountMemory} from './smallDisk.ts';
import {before, Client, Recorder, Watcher} from './workload.ts';
import {type Wrong, wronged} from './wrongDoors.ts';

export interface TrialOptions {
  readonly seed: number;
  readonly store: 'embedded' | 'etcd';
  /** Fewer faults than the plan of the seed has. */
  readonly steps?: number | undefined;
  /** What clients get is wrong on purpose. */
  readonly wrong?: Wrong | undefined;
  /** Where what is left of a failed run goes. */
  readonly keep?: string | undefined;
}

export interface Outcome {
  readonly seed: number;
  readonly store: TrialOptions['store'];
  /** Undefined when all is well. */
  readonly failure?: string | undefined;
  readonly undecided: boolean;
  readonly plan: readonly string[];
  readonly operations: number;
  readonly unknown: number;
  readonly refused: number;
  readonly revisions: number;
  readonly restarts: number;
  /** Members that said that their disk was full. */
  readonly full: number;
  /** From the last healing to the last of the writes, one through each door. */
  readonly recoveryMs: number;
  readonly steps: number;
  readonly seconds: number;
}

/** Every Linux has it. Mounted over where only this process and its children see it: it goes with them. */
const GROUND = '/dev/shm';

const CLIENTS = 6;
const PREFIXES = ['', 'a', 'l/'] as const;
/** Healed, every door must answer a write within this; a member's start is part of it. */
const RECOVERY_MS = 30_000;
const TRY_MS = 3000;
const WATCH_MS = 20_000;
const FULL = /disk is full|no space left/i;

export async function runTrial(options: TrialOptions): Promise<Outcome> {
  const {seed, store, keep} = options;
  const started = performance.now();
  mountMemory(GROUND, '1g');
  const network = await HostNetwork.create(NODES);
  const recorder = new Recorder();
  let cluster: Cluster | undefined;
  try {
    cluster = await (store === 'etcd' ? EtcdCluster : EmbeddedCluster).start(network, GROUND);
    const played = await play(options, cluster, network, recorder);
    const {machines} = cluster;
    const outcome: Outcome = {
      seed,
      store,
      ...played,
      plan: planOf(options).map(describeStep),
      restarts: [...machines.values()].reduce((sum, {restarts}) => sum + restarts, 0),
      full: [...machines.values()].filter(({log}) => FULL.test(log)).length,
      seconds: (performance.now() - started) / 1000,
    };
    if (outcome.failure !== undefined && keep !== undefined) leave(keep, options, cluster, recorder.history);
    return outcome;
  } catch (error) {
    if (keep !== undefined) leave(keep, options, cluster, recorder.history);
    throw error;
  } finally {
    await cluster?.stop();
    network.end();
  }
}

type Played = Omit<Outcome, 'seed' | 'store' | 'plan' | 'restarts' | 'full' | 'seconds'>;

async function play(
  options: TrialOptions,
  cluster: Cluster,
  network: HostNetwork,
  recorder: Recorder,
): Promise<Played> {
  const chance = new Chance(options.seed).fork();
  const doors = (): Door[] => wronged(cluster.doors(), options.wrong);
  const clients = Array.from(
    {length: CLIENTS},
    (_, at) => new Client(`client${at + 1}`, doors(), chance.fork(), recorder),
  );
  const watchers = PREFIXES.map(
    (prefix, at) =>
      new Watcher(`watcher${at + 1}`, prefix, cluster.base + 1, doors(), chance.fork(), recorder),
  );
  const running = Promise.all(clients.map(client => client.run()));
  let healed = 0;
  for (const step of planOf(options)) {
    note(describeStep(step));
    await inflict(step.faults, cluster, network);
    await pause(step.durationMs);
    heal(cluster, network);
    healed = performance.now();
    if (step.recovers) await before(recorder.nextAnswer(), RECOVERY_MS);
    await pause(step.quietMs);
  }
  await Promise.all(doors().map(door => written(door, recorder, {then: [put('probe')]})));
  const recoveryMs = performance.now() - healed;
  await Promise.all(clients.map(client => client.stop()));
  await running;
  const [door] = doors();
  const revision = await written(door, recorder, {then: ['probe', 'a', 'l/1'].map(put)});
  await found(
    () => watchers.every(({next}) => next > revision) || undefined,
    WATCH_MS,
    () => `all watchers to be given revision ${revision}; they wait for ${watchers.map(({next}) => next)}`,
  );
  for (const watcher of watchers) watcher.stop();
  // Leases may end afterwards.
  const history = recorder.history.filter(
    event => (event.type !== 'events' && event.type !== 'local') || event.revision <= revision,
  );
  const findings = await cluster.findings(revision, history);
  return {...judge(findings), ...countsOf(history), revisions: revisionsOf(findings.changes), recoveryMs};
}

function planOf({seed, steps}: TrialOptions): Step[] {
  return drawPlan(seed, steps);
}

function note(text: string): void {
  process.stderr.write(`    ${text}\n`);
}

let probes = 0;
function put(key: string): {kind: 'put'; key: string; value: string} {
  probes += 1;
  return {kind: 'put', key, value: `probe-${probes}`};
}

/** Asks until it is done, each time with another value. Resolves with the revision. */
async function written(
  door: Door | undefined,
  recorder: Recorder,
  txn: {then: {kind: 'put'; key: string; value: string}[]},
): Promise<number> {
  if (!door) throw new Error('there is no door');
  let last = '';
  const attempt = async (): Promise<number | undefined> => {
    const then = txn.then.map(({key}) => put(key));
    const reply = await before(recorder.ask('probe', door, {kind: 'txn', txn: {then}}), TRY_MS);
    if (reply?.kind === 'answer' && reply.output.kind === 'txn') return reply.output.result.revision;
    last = reply && 'why' in reply ? reply.why : 'no answer';
    if (!reply) door.close();
    return undefined;
  };
  const revision = await found(
    attempt,
    RECOVERY_MS,
    () => `a write through ${door.name} after everything was healed (${last})`,
  );
  door.close();
  return revision;
}

function countsOf(history: readonly HistoryEvent[]): {operations: number; unknown: number; refused: number} {
  const count = (wanted: HistoryEvent['type']): number => history.filter(({type}) => type === wanted).length;
  const [operations, refused] = [count('call'), count('refused')];
  return {operations, refused, unknown: operations - refused - count('answer')};
}

function revisionsOf(changes: ReadonlyMap<string, readonly unknown[]>): number {
  return Math.max(0, ...[...changes.values()].map(({length}) => length));
}

function leave(
  folder: string,
  {seed, store}: TrialOptions,
  cluster: Cluster | undefined,
  history: readonly HistoryEvent[],
): void {
  const into = path.join(folder, `${store}-${seed}`);
  mkdirSync(into, {recursive: true});
  writeFileSync(path.join(into, 'history.jsonl'), formatHistory(history));
  for (const {node, log} of cluster?.machines.values() ?? [])
    writeFileSync(path.join(into, `${node}.log`), log);
  note(`history and logs are in ${into}`);
}
