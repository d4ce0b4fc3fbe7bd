/**
 * What happens in a session, as an async iterable: what is there first, then every change, over any number of connections, until the session has
 * ended. Who reads slowly sees the newest state of each row and misses states between, so that nothing is kept without bound.
 */
import type {Row} from '../../protocol/commands/watch.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import {FINAL_SESSION_STATES} from '../../protocol/model/session.ts';
import {DisposableStore} from '../../runtime/disposable.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {McpxClient} from '../mcpxClient.ts';
import {rowKey, type ViewUpdate, type ViewWatch} from '../viewWatch.ts';

type OfSession = Extract<Row, {kind: 'session' | 'task' | 'attempt' | 'ref' | 'refusal' | 'approval'}>;

export type ExecutionUpdate =
  /** A row that came or changed; `kind` says what it is. */
  | ({readonly revision: number} & OfSession)
  /** An answered question, or a row that was deleted. */
  | {
      readonly kind: 'removed';
      readonly revision: number;
      readonly row: {readonly kind: string; readonly id: string};
    }
  /** The connection was away for too long: what happened meanwhile is not told, all rows follow as they are now. */
  | {readonly kind: 'reset'; readonly revision: number};

const KINDS: ReadonlySet<Row['kind']> = new Set(['session', 'task', 'attempt', 'ref', 'refusal', 'approval']);

interface Reader {
  resolve(result: IteratorResult<ExecutionUpdate, undefined>): void;
  reject(error: unknown): void;
}

/** Begins at once; it ends with the session, or by `return()`, which a `break` in `for await` calls. */
export class ExecutionFeed implements AsyncIterableIterator<ExecutionUpdate, undefined> {
  private readonly lifetime = new DisposableStore();
  private readonly view: ViewWatch;
  /** By row: a newer state takes the place of one that nobody has read, at the end. */
  private readonly waiting = new Map<string, ExecutionUpdate>();
  private readonly readers: Reader[] = [];
  private end: {readonly error?: unknown} | undefined;

  constructor(
    client: McpxClient,
    private readonly sessionId: string,
  ) {
    this.lifetime.add(
      client.onState(state => {
        if (state.kind === 'stopped') this.finish({error: closed()});
        if (state.kind === 'waiting' && isHopeless(state.error)) this.finish({error: state.error});
      }),
    );
    this.view = this.lifetime.add(client.watch({view: 'session', sessionId}, update => this.take(update)));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<ExecutionUpdate, undefined>> {
    const [oldest] = this.waiting;
    if (oldest) {
      this.waiting.delete(oldest[0]);
      return Promise.resolve({done: false, value: oldest[1]});
    }
    if (this.end) {
      const {error} = this.end;
      this.end = {};
      return error === undefined ? Promise.resolve({done: true, value: undefined}) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => this.readers.push({resolve, reject}));
  }

  return(): Promise<IteratorResult<ExecutionUpdate, undefined>> {
    this.waiting.clear();
    this.finish({});
    return Promise.resolve({done: true, value: undefined});
  }

  private take(update: ViewUpdate): void {
    if (update.kind === 'failed' || this.end) return;
    const {revision} = update.cursor;
    if (update.kind === 'snapshot') {
      if (update.reset) {
        this.waiting.clear();
        this.put('reset', {kind: 'reset', revision});
      }
      for (const row of this.view.rows.values()) this.putRow(row, revision);
    } else {
      for (const row of update.upserts) this.putRow(row, revision);
      for (const row of update.deletes) this.put(rowKey(row), {kind: 'removed', revision, row});
    }
    const own = this.view.rows.get(rowKey({kind: 'session', id: this.sessionId}));
    const isOver = own?.kind !== 'session' || FINAL_SESSION_STATES.has(own.session.state);
    if (isOver) this.finish({});
  }

  private putRow(row: Row, revision: number): void {
    if (KINDS.has(row.kind)) this.put(rowKey(row), {...(row as OfSession), revision});
  }

  private put(key: string, update: ExecutionUpdate): void {
    const reader = this.readers.shift();
    if (reader) {
      reader.resolve({done: false, value: update});
      return;
    }
    this.waiting.delete(key);
    this.waiting.set(key, update);
  }

  private finish(end: {readonly error?: unknown}): void {
    if (this.end) return;
    this.end = end;
    this.lifetime.dispose();
    for (const {resolve, reject} of this.readers.splice(0))
      if (end.error === undefined) resolve({done: true, value: undefined});
      else reject(end.error);
  }
}

/** What no further try mends. */
function isHopeless(error: Error): boolean {
  return isCoordinatorError(error, 'unauthorized') || isProtocolError(error, 'incompatible');
}

function closed(): CoordinatorError {
  return new CoordinatorError('closed', 'the connection to the coordinator was closed');
}
