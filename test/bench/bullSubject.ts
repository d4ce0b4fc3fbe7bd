/** The peer: BullMQ on a Redis that syncs every write, with one worker process. */
import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import {createRequire} from 'node:module';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {freePort} from '../support/freePorts.ts';
import {BenchProcess, cpuMeter} from './processes.ts';
import type {Measurement, Shape, Subject} from './subject.ts';

/** What is used of BullMQ, whose types are not installed with the project. */
interface Queue {
  add(name: string, data: object, options: {jobId: string}): Promise<unknown>;
  addBulk(jobs: readonly {name: string; data: object; opts: {jobId: string}}[]): Promise<unknown>;
  waitUntilReady(): Promise<unknown>;
  obliterate(options: {force: boolean}): Promise<void>;
  close(): Promise<void>;
}
interface QueueEvents {
  on(event: 'completed', listener: (args: {jobId: string; returnvalue: unknown}) => void): void;
  on(event: 'failed', listener: (args: {jobId: string; failedReason: string}) => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}
interface BullMq {
  Queue: new (name: string, options: object) => Queue;
  QueueEvents: new (name: string, options: object) => QueueEvents;
}

const QUEUE = 'bench';
const ADD_AT_ONCE = 1000;

export class BullSubject implements Subject {
  readonly name = 'BullMQ';
  private readonly waiting = new Map<string, (times: readonly [number, number]) => void>();
  private rounds = 0;

  private constructor(
    private readonly folder: string,
    private readonly processes: {readonly redis: BenchProcess; readonly worker: BenchProcess},
    private readonly queue: Queue,
    private readonly events: QueueEvents,
  ) {
    events.on('completed', ({jobId, returnvalue}) => {
      this.waiting.get(jobId)?.(returnvalue as [number, number]);
    });
    events.on('failed', ({jobId, failedReason}) => {
      throw new Error(`job ${jobId} failed: ${failedReason}`);
    });
  }

  static async start(packages: string, scratch: string, concurrency: number): Promise<BullSubject> {
    await mkdir(scratch, {recursive: true});
    const folder = await mkdtemp(path.join(scratch, 'redis-'));
    const port = await freePort();
    const redis = BenchProcess.start(
      'redis-server',
      [
        ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder],
        ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
      ],
      {logFile: path.join(scratch, 'redis.log')},
    );
    const {Queue, QueueEvents} = createRequire(path.join(packages, 'package.json'))('bullmq') as BullMq;
    const connection = {host: '127.0.0.1', port, maxRetriesPerRequest: null};
    const queue = new Queue(QUEUE, {connection});
    await queue.waitUntilReady();
    const events = new QueueEvents(QUEUE, {connection});
    await events.waitUntilReady();
    const worker = BenchProcess.start(
      process.execPath,
      [
        fileURLToPath(new URL('bullWorker.mjs', import.meta.url)),
        ...[packages, String(port), QUEUE, String(concurrency)],
      ],
      {logFile: path.join(scratch, 'bull-worker.log'), ipc: true},
    );
    await new Promise(resolve => worker.child.once('message', resolve));
    return new BullSubject(folder, {redis, worker}, queue, events);
  }

  async run(shape: Shape, tasks: number, lanes: number): Promise<Measurement> {
    const round = `r${++this.rounds}`;
    const cpu = await cpuMeter(this.processes);
    const own = process.cpuUsage();
    const began = performance.now();
    const beganWall = Date.now();
    const times =
      shape === 'inFlight' ? await this.closedLoop(round, tasks, lanes) : await this.backlog(round, tasks);
    const elapsedMs = performance.now() - began;
    const {user, system} = process.cpuUsage(own);
    const cpuMs = {...(await cpu()), producer: (user + system) / 1000};
    const firstStart = Math.min(...times.map(([, started]) => started));
    await this.queue.obliterate({force: true});
    return {
      elapsedMs,
      drainMs: elapsedMs - (firstStart - beganWall),
      waitsMs: times.map(([added, started]) => started - added),
      cpuMs,
    };
  }

  async stop(): Promise<void> {
    await this.events.close();
    await this.queue.close();
    await this.processes.worker.stop();
    await this.processes.redis.stop();
    await rm(this.folder, {recursive: true, force: true});
  }

  private async closedLoop(round: string, tasks: number, lanes: number): Promise<[number, number][]> {
    const times: [number, number][] = [];
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < tasks) {
        const jobId = `${round}-${next++}`;
        const done = this.completed(jobId);
        await this.queue.add('noop', {}, {jobId});
        times.push(await done);
      }
    };
    await Promise.all(Array.from({length: lanes}, lane));
    return times;
  }

  private async backlog(round: string, tasks: number): Promise<[number, number][]> {
    const ids = Array.from({length: tasks}, (_, index) => `${round}-${index}`);
    const done = ids.map(jobId => this.completed(jobId));
    for (let at = 0; at < tasks; at += ADD_AT_ONCE)
      await this.queue.addBulk(
        ids.slice(at, at + ADD_AT_ONCE).map(jobId => ({name: 'noop', data: {}, opts: {jobId}})),
      );
    return Promise.all(done);
  }

  /** When it was added and when it was started, in ms of wall time. */
  private completed(jobId: string): Promise<[number, number]> {
    return new Promise(resolve => {
      this.waiting.set(jobId, ([added, started]) => {
        this.waiting.delete(jobId);
        resolve([added, started]);
      });
    });
  }
}
