/**
 * Where the processes of an attempt reach shared memory, with the hub or without: plain HTTP on loopback, with a token for each attempt.
 *
 *     curl -H "Authorization: Bearer $MCPX_MEMORY_TOKEN" "$MCPX_MEMORY/api/shape"
 *
 * GET reads a key, PUT writes its JSON, DELETE removes it; GET of the root lists keys. What becomes of it is memoryReplica.ts. POST to the root asks for
 * tasks, and GET of it with `task` for what became of one: taskDesk.ts.
 */
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import type {Logger} from '../../observability/logger.ts';
import {ConsistencyLevel} from '../../protocol/commands/memory.ts';
import {type ErrorName, isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import {KeyPattern} from '../../protocol/keyPattern.ts';
import {MemoryKey} from '../../protocol/model/facts.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {JsonValue} from '../../runtime/json.ts';
import {closeServer, listenOnLoopback} from '../../runtime/listen.ts';
import type {Random} from '../../runtime/random.ts';
import type {Delegating, TaskDesk} from '../delegation/taskDesk.ts';
import type {MemoryReplica, MemoryWriter} from './memoryReplica.ts';

export interface MemoryDoorOptions {
  readonly memory: Pick<MemoryReplica, 'store' | 'delete' | 'retrieve' | 'list'>;
  readonly desk: TaskDesk;
  readonly random: Random;
  readonly logger: Logger;
}

/** An attempt that may come in. */
export type MemoryGuest = MemoryWriter & Delegating;

interface Answer {
  readonly status: number;
  readonly body: object;
}

const MAX_BODY_BYTES = 128 * 1024;

const STATUS: Readonly<Partial<Record<ErrorName, number>>> = {
  invalidParams: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  staleFence: 409,
  tooLarge: 413,
  overloaded: 503,
  unavailable: 503,
  diskFull: 507,
};

export class MemoryDoor {
  private readonly guests = new Map<string, MemoryGuest>();
  private readonly tokens = new Map<string, string>();
  private readonly server: Server;

  constructor(private readonly options: MemoryDoorOptions) {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  /** Resolves when it is open. Rejects with `unavailable`. */
  async open(): Promise<void> {
    try {
      await listenOnLoopback(this.server);
    } catch (error) {
      throw new CoordinatorError('unavailable', 'attempts cannot be given a way to shared memory', {
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    await closeServer(this.server);
  }

  /** Variables by which the processes of the attempt find the door and may come in. */
  admit({attemptId, sessionId, fence, task}: MemoryGuest): Record<string, string> {
    const address = this.server.address() as AddressInfo | null;
    if (!address) return {};
    const token = this.tokens.get(attemptId) ?? this.options.random.hex(32);
    this.tokens.set(attemptId, token);
    this.guests.set(token, {attemptId, sessionId, fence, task});
    const url = `http://127.0.0.1:${address.port}`;
    return {MCPX_MEMORY: url, MCPX_MEMORY_TOKEN: token, MCPX_TASKS: `${url}/`};
  }

  /** The attempt is over. */
  dismiss(attemptId: string): void {
    const token = this.tokens.get(attemptId);
    this.tokens.delete(attemptId);
    this.options.desk.dismiss(attemptId);
    if (token !== undefined) this.guests.delete(token);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.answer(request);
    } catch (error) {
      answer = this.failure(error);
    }
    const text = `${JSON.stringify(answer.body)}\n`;
    response.writeHead(answer.status, {'content-type': 'application/json'});
    response.end(text);
  }

  private async answer(request: IncomingMessage): Promise<Answer> {
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const guest = this.guests.get(token);
    if (!guest) throw new ProtocolError('unauthorized', 'MCPX_MEMORY_TOKEN is of no attempt that runs');
    const {pathname, searchParams} = new URL(request.url ?? '/', 'http://localhost');
    const taskId = searchParams.get('task');
    if (pathname === '/' && request.method === 'POST')
      return this.options.desk.ask(guest, parsed(await bodyOf(request)));
    if (pathname === '/' && request.method === 'GET' && taskId !== null)
      return this.options.desk.look(guest, taskId, numberIn(searchParams, 'wait', 0) ?? 0);
    if (pathname === '/' && request.method === 'GET') return this.list(guest, searchParams.get('pattern'));
    const key = MemoryKey.safeParse(decoded(pathname.slice(1)));
    if (!key.success)
      throw new ProtocolError('invalidParams', 'a key has no white space and no leading slash');
    switch (request.method) {
      case 'GET':
        return this.get(guest, key.data, searchParams);
      case 'PUT':
        return this.put(guest, key.data, searchParams, parsed(await bodyOf(request)));
      case 'DELETE':
        return stored(await this.options.memory.delete(guest, key.data));
      default:
        throw new ProtocolError('invalidParams', 'GET, PUT and DELETE are known here, and POST to the root');
    }
  }

  private list({sessionId, attemptId}: MemoryGuest, pattern: string | null): Answer {
    const checked = KeyPattern.safeParse(pattern ?? '**');
    if (!checked.success) throw new ProtocolError('invalidParams', 'this is no pattern of keys');
    return {status: 200, body: {keys: this.options.memory.list(sessionId, checked.data, attemptId)}};
  }

  private async get(
    {sessionId, attemptId}: MemoryGuest,
    key: string,
    query: URLSearchParams,
  ): Promise<Answer> {
    const level = levelOf(query);
    const {record: _, ...answer} = await this.options.memory.retrieve(sessionId, key, level, attemptId);
    return {status: answer.value === undefined ? 404 : 200, body: {key, ...answer}};
  }

  private async put(
    guest: MemoryGuest,
    key: string,
    query: URLSearchParams,
    value: JsonValue,
  ): Promise<Answer> {
    const ttl = numberIn(query, 'ttl', 1);
    const ifVersion = numberIn(query, 'ifVersion', 0);
    return stored(await this.options.memory.store(guest, key, value, {ttl, ifVersion}));
  }

  private failure(error: unknown): Answer {
    if (isProtocolError(error))
      return {status: STATUS[error.kind] ?? 500, body: {error: {code: error.kind, message: error.message}}};
    if (isCoordinatorError(error)) {
      const status = error.code === 'diskFull' ? 507 : 503;
      return {status, body: {error: {code: error.code, message: error.message, hint: error.hint}}};
    }
    this.options.logger.error('shared memory failed an attempt', {error});
    return {status: 500, body: {error: {code: 'internal', message: 'internal error'}}};
  }
}

/** 202: it is on disk, or waits for the fence of a backup's task, and the hub has yet to take it. */
function stored(result: Awaited<ReturnType<MemoryReplica['store']>>): Answer {
  if (result.kind === 'kept') return {status: 202, body: result};
  const {outcome} = result;
  const isIn = outcome.kind === 'applied' || outcome.kind === 'resolved' || outcome.kind === 'repeated';
  return {status: isIn ? 200 : 409, body: result};
}

/** `?level=strong`, `?session=REVISION` or `?bounded=MS`. */
function levelOf(query: URLSearchParams): ConsistencyLevel {
  const session = numberIn(query, 'session', 0);
  const bounded = numberIn(query, 'bounded', 0);
  const named = query.get('level') ?? 'eventual';
  const level = session !== undefined ? {session} : bounded !== undefined ? {bounded} : named;
  const checked = ConsistencyLevel.safeParse(level);
  if (!checked.success) throw new ProtocolError('invalidParams', `${named} is not a level of consistency`);
  return checked.data;
}

function numberIn(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new ProtocolError('invalidParams', `${name} is a whole number of at least ${least}`);
  return value;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new ProtocolError('invalidParams', 'the value is not JSON');
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const data = Buffer.from(chunk as Uint8Array);
    bytes += data.length;
    if (bytes > MAX_BODY_BYTES) throw new ProtocolError('tooLarge', 'the value is too large');
    chunks.push(data);
  }
  return Buffer.concat(chunks).toString('utf8');
}
