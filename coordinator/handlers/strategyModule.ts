/**
 * Strategies of a module of one's own, in a thread beside the coordinator: whatever it does there, placement of other tasks goes on. The thread is
 * begun anew when it has ended, or answers nothing at all any more; who asked meanwhile is told so.
 */
import {pathToFileURL} from 'node:url';
import {Worker} from 'node:worker_threads';
import * as z from 'zod';
import {placementRuleNames, registerStrategy} from '../balancing/placementRules.ts';
import type {Logger} from '../observability/logger.ts';
import type {TaskSpecification} from '../protocol/plan/plan.ts';
import {AgentAssignment, type Candidate, type LoadBalancingStrategy} from '../protocol/strategy.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Deferred, deferred} from '../runtime/deferred.ts';
import {CoordinatorError} from '../runtime/errors.ts';

export interface StrategyModuleOptions {
  /** Absolute path of an ES module whose default export is a strategy or a list of them. */
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A thread that lets a question and then a sign of life wait for so long is ended. */
  readonly timeoutMs: number;
}

const LOAD_MS = 10_000;
const MAX_HEAP_MB = 512;

/** Runs in the thread, of which it is all but the module. */
const THREAD = `
const {parentPort, workerData} = require('node:worker_threads');
const say = message => parentPort.postMessage(message);
import(workerData.url).then(({default: given}) => {
  const strategies = new Map();
  for (const strategy of Array.isArray(given) ? given : [given]) {
    if (typeof strategy?.name !== 'string' || typeof strategy.optimize !== 'function')
      throw new Error('its default export is not a strategy {name, optimize(candidates, task)}, nor a list of them');
    strategies.set(strategy.name, strategy);
  }
  parentPort.on('message', async ({id, name, candidates, task}) => {
    if (name === undefined) return say({id, answer: null});
    try {
      say({id, answer: JSON.stringify(await strategies.get(name).optimize(candidates, task)) ?? 'null'});
    } catch (error) {
      say({id, error: String(error?.message ?? error)});
    }
  });
  say({names: [...strategies.keys()]});
}).catch(error => say({failed: String(error?.message ?? error)}));
`;

const Said = z.union([
  z.object({names: z.array(z.string().min(1).max(64)).min(1)}),
  z.object({failed: z.string()}),
  z.object({id: z.number(), error: z.string()}),
  z.object({id: z.number(), answer: z.string().nullable()}),
]);

interface Thread {
  readonly worker: Worker;
  readonly ready: Promise<readonly string[]>;
  readonly waiting: Map<number, Deferred<string | null>>;
}

/** Registers what the module brings; ends with the answer. Errors: `config` (it cannot be used), `conflict` (a name is taken). */
export async function openStrategyModule(options: StrategyModuleOptions): Promise<() => Promise<void>> {
  const host = new StrategyHost(options);
  const undo: (() => void)[] = [];
  const end = async (): Promise<void> => {
    for (const each of undo.splice(0)) each();
    await host.stop();
  };
  try {
    for (const strategy of await host.strategies()) undo.push(registerStrategy(strategy));
    options.logger.info('strategies were loaded', {file: options.file, known: placementRuleNames()});
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}

class StrategyHost {
  private thread: Thread | undefined;
  private questions = 0;
  private stopped = false;

  constructor(private readonly options: StrategyModuleOptions) {}

  async strategies(): Promise<LoadBalancingStrategy[]> {
    const {file} = this.options;
    try {
      const names = await this.inTime((this.thread ?? this.begin()).ready, LOAD_MS);
      return names.map(name => ({name, optimize: (candidates, task) => this.ask(name, candidates, task)}));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CoordinatorError('config', `the strategies of ${file} cannot be used: ${why}`, {cause});
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.thread?.worker.terminate();
  }

  private async ask(
    name: string,
    candidates: readonly Candidate[],
    task: TaskSpecification,
  ): Promise<AgentAssignment[]> {
    const thread = this.thread ?? this.begin();
    await thread.ready;
    const question = this.post(thread, {name, candidates, task});
    const {timeoutMs, clock} = this.options;
    const timer = clock.schedule(timeoutMs, () => void this.check(thread));
    try {
      return z.array(AgentAssignment).parse(JSON.parse((await question) ?? 'null'));
    } finally {
      timer.dispose();
    }
  }

  /** One that is only slow may go on; one that hears nothing is ended. */
  private async check(thread: Thread): Promise<void> {
    const {timeoutMs, logger, file} = this.options;
    try {
      await this.inTime(this.post(thread, {}), timeoutMs);
    } catch {
      if (this.stopped || this.thread !== thread) return;
      logger.warn('the thread of strategies answers nothing any more and is begun anew', {file});
      this.ended(thread, 'it was ended because it answered nothing any more');
      await thread.worker.terminate();
    }
  }

  private post(thread: Thread, question: object): Promise<string | null> {
    this.questions += 1;
    const answer = deferred<string | null>();
    thread.waiting.set(this.questions, answer);
    thread.worker.postMessage({id: this.questions, ...question});
    return answer.promise;
  }

  private begin(): Thread {
    if (this.stopped) throw new CoordinatorError('closed', 'the coordinator is stopping');
    const {file, logger} = this.options;
    // What the coordinator was given to enter its store with is not the module's.
    const worker = new Worker(THREAD, {
      eval: true,
      env: {},
      stdout: true,
      stderr: true,
      workerData: {url: pathToFileURL(file).href},
      resourceLimits: {maxOldGenerationSizeMb: MAX_HEAP_MB},
    });
    worker.unref();
    for (const stream of [worker.stdout, worker.stderr])
      stream.on('data', (text: Buffer) =>
        logger.info('a strategy says', {file, text: text.toString('utf8')}),
      );
    const named = deferred<readonly string[]>();
    named.promise.catch(() => undefined);
    const thread: Thread = {worker, ready: named.promise, waiting: new Map()};
    this.thread = thread;
    const gone = (why: string): void => {
      named.reject(new Error(why));
      this.ended(thread, why);
    };
    worker.on('message', (message: unknown) => {
      const said = Said.parse(message);
      if ('names' in said) named.resolve(said.names);
      else if ('failed' in said) gone(said.failed);
      else {
        const answer = thread.waiting.get(said.id);
        thread.waiting.delete(said.id);
        if ('error' in said) answer?.reject(new Error(said.error));
        else answer?.resolve(said.answer);
      }
    });
    worker.on('error', error => gone(error instanceof Error ? error.message : String(error)));
    worker.on('exit', code => gone(`its thread ended with ${code}`));
    return thread;
  }

  private ended(thread: Thread, why: string): void {
    if (this.thread === thread) this.thread = undefined;
    for (const answer of thread.waiting.values()) answer.reject(new Error(why));
    thread.waiting.clear();
  }

  private inTime<T>(work: Promise<T>, ms: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.options.clock.schedule(ms, () => reject(new Error(`it took longer than ${ms} ms`)));
      work.then(resolve, reject).finally(() => timer.dispose());
    });
  }
}
