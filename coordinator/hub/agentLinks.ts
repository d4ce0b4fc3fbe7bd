/**
 * Which connection leads to which agent, its own or that of another hub, and the commands that wait for one. A command survives a cut: every one that goes to an agent is
 * idempotent, so what was cut in flight is sent again, in its old place, until its timeout.
 */
import type {Peer} from '../bridge/peer.ts';
import type {Logger} from '../observability/logger.ts';
import type {Method, ParamsInput, Result} from '../protocol/commands/table.ts';
import {isProtocolError, ProtocolError} from '../protocol/errors.ts';
import {DEFAULT_REQUEST_TIMEOUT_MS} from '../protocol/version.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Deferred, deferred} from '../runtime/deferred.ts';
import {type Disposable, noDisposable, toDisposable} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {AgentChannel, CommandSignal} from '../tasks/agentChannel.ts';

export interface AgentAddress {
  readonly tenant: string;
  readonly agentId: string;
}

/** A connection that an agent registered on, or the way to another hub that has one. */
export interface AgentLink {
  readonly connectionId: string;
  readonly peer: Pick<Peer, 'request'>;
  /** Of another hub. */
  readonly remote?: true;
}

export interface SendOptions {
  /** Default 30 s, of waiting and answering together. */
  readonly timeoutMs?: number;
  readonly signal?: CommandSignal;
  /** Default true: send again what a disconnect cut in flight. */
  readonly retry?: boolean;
  /** Over the agent's socket at this hub or not at all: it was passed on already. Default false. */
  readonly here?: boolean;
}

/** The agents of a hub, wherever their sockets are. */
export interface HubAgentChannel extends AgentChannel {
  /** Whether this hub holds the agent's socket. */
  isConnected(agentId: string): boolean;
  send<M extends Method>(
    agentId: string,
    method: M,
    params: ParamsInput<M>,
    options?: SendOptions,
  ): Promise<Result<M>>;
}

export interface AgentQueueLimits {
  readonly maxQueuedCommands: number;
  readonly maxQueuedBytes: number;
}

interface Command {
  readonly order: number;
  readonly method: Method;
  readonly params: ParamsInput<Method>;
  readonly deadline: number;
  readonly retry: boolean;
  readonly here: boolean;
  readonly signal: CommandSignal | undefined;
  readonly answer: Deferred<unknown>;
  /** Measured when it first has to wait. */
  bytes: number | undefined;
  /** While it waits for a connection: what ends the waiting. One that is on its way is timed and cancelled by the peer. */
  waiting: Disposable;
}

interface Agent {
  link: AgentLink | undefined;
  /** Our own, while what is known of the agent says that another hub has it: that may be old news. */
  displaced: AgentLink | undefined;
  /** In the order in which they were sent. */
  queue: Command[];
  queuedBytes: number;
}

export class AgentLinks implements Disposable {
  private readonly agents = new Map<string, Agent>();
  private readonly connected = new Emitter<AgentAddress & {connectionId: string}>();
  private readonly disconnected = new Emitter<AgentAddress & {connectionId: string}>();
  private nextOrder = 0;
  private disposed = false;

  readonly onConnected = this.connected.event;
  readonly onDisconnected = this.disconnected.event;

  constructor(
    private readonly services: {readonly clock: Clock; readonly logger: Logger},
    private readonly limits: AgentQueueLimits,
  ) {}

  /** The agents of one tenant. */
  channel(tenant: string): HubAgentChannel {
    return {
      isConnected: agentId => isHere(this.agents.get(addressKey({tenant, agentId}))?.link),
      send: (agentId, method, params, options) => this.send({tenant, agentId}, method, params, options),
    };
  }

  /** Commands go over `link` from now on; answers the connection or the way that it replaces. */
  attach(address: AgentAddress, link: AgentLink): AgentLink | undefined {
    const agent = this.agent(address);
    if (agent.link === link) return undefined;
    const own = isHere(agent.link) ? agent.link : agent.displaced;
    const older = own ?? agent.link;
    agent.displaced = link.remote ? own : undefined;
    this.use(address, agent, link);
    if (!link.remote) this.connected.emit({...address, connectionId: link.connectionId});
    return older === link ? undefined : older;
  }

  /** The connection has closed, or the way leads there no more. Does nothing when a newer one took over. */
  detach(address: AgentAddress, link: AgentLink): void {
    const key = addressKey(address);
    const agent = this.agents.get(key);
    if (!agent) return;
    if (agent.displaced === link) agent.displaced = undefined;
    const isPresent = agent.link === link;
    if (isPresent) agent.link = undefined;
    this.forgetIdle(key);
    if (isPresent && !link.remote) this.disconnected.emit({...address, connectionId: link.connectionId});
  }

  /** The agent is here after all: its connection serves again if it is open still. */
  serveHere(address: AgentAddress): void {
    const agent = this.agents.get(addressKey(address));
    if (!agent?.displaced) return;
    const {displaced} = agent;
    agent.displaced = undefined;
    this.use(address, agent, displaced);
  }

  async send<M extends Method>(
    address: AgentAddress,
    method: M,
    params: ParamsInput<M>,
    options: SendOptions = {},
  ): Promise<Result<M>> {
    const {timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS, signal, retry = true, here = false} = options;
    if (inFlightSignal(signal)?.aborted) throw cancelled(method);
    const command: Command = {
      order: this.nextOrder++,
      method,
      params,
      deadline: this.services.clock.now() + timeoutMs,
      retry,
      here,
      signal,
      answer: deferred<unknown>(),
      bytes: undefined,
      waiting: noDisposable,
    };
    this.dispatch(address, command);
    return command.answer.promise as Promise<Result<M>>;
  }

  /** Rejects whatever waits. */
  dispose(): void {
    this.disposed = true;
    const gone = new ProtocolError('unavailable', 'the hub has stopped');
    for (const agent of this.agents.values()) {
      for (const command of agent.queue) {
        command.waiting.dispose();
        command.answer.reject(gone);
      }
      agent.queue = [];
      agent.queuedBytes = 0;
    }
    this.connected.dispose();
    this.disconnected.dispose();
  }

  /** What waits for such a link goes over it at once. */
  private use(address: AgentAddress, agent: Agent, link: AgentLink): void {
    agent.link = link;
    const going = agent.queue.filter(command => fits(command, link));
    agent.queue = agent.queue.filter(command => !fits(command, link));
    for (const command of going) {
      agent.queuedBytes -= command.bytes ?? 0;
      command.waiting.dispose();
      this.deliver(address, link, command);
    }
  }

  private dispatch(address: AgentAddress, command: Command): void {
    const {link} = this.agent(address);
    if (this.disposed) command.answer.reject(new ProtocolError('unavailable', 'the hub has stopped'));
    else if (link && fits(command, link)) this.deliver(address, link, command);
    else this.enqueue(address, command);
  }

  private deliver(address: AgentAddress, link: AgentLink, command: Command): void {
    const {method, params, answer, deadline} = command;
    const signal = inFlightSignal(command.signal);
    const timeoutMs = Math.max(1, deadline - this.services.clock.now());
    link.peer.request(method, params, signal ? {timeoutMs, signal} : {timeoutMs}).then(
      result => answer.resolve(result),
      (error: unknown) => {
        const cut = this.agents.get(addressKey(address))?.link !== link;
        if (isProtocolError(error, 'timeout'))
          answer.reject(
            new ProtocolError('timeout', `${address.agentId} did not answer ${method} in time`, error.data),
          );
        else if (!cut || !isProtocolError(error, 'unavailable')) answer.reject(error);
        else if (command.retry) this.dispatch(address, command);
        else answer.reject(disconnected(address, `disconnected during ${method}`));
      },
    );
  }

  private enqueue(address: AgentAddress, command: Command): void {
    const agent = this.agent(address);
    command.bytes ??= JSON.stringify(command.params).length;
    const {maxQueuedCommands, maxQueuedBytes} = this.limits;
    if (agent.queue.length >= maxQueuedCommands || agent.queuedBytes + command.bytes > maxQueuedBytes) {
      const message = `too many commands wait for ${address.agentId}`;
      command.answer.reject(new ProtocolError('overloaded', message));
      this.forgetIdle(addressKey(address));
      return;
    }
    let place = agent.queue.length;
    while (place > 0 && (agent.queue[place - 1]?.order ?? 0) > command.order) place -= 1;
    agent.queue.splice(place, 0, command);
    agent.queuedBytes += command.bytes;
    command.waiting = this.patience(address, command);
  }

  private patience(address: AgentAddress, command: Command): Disposable {
    const {method, deadline} = command;
    const signal = typeof command.signal === 'function' ? command.signal() : command.signal;
    const {clock} = this.services;
    const end = (error: ProtocolError): void => {
      command.waiting.dispose();
      this.drop(address, command);
      command.answer.reject(error);
    };
    const onAbort = (): void => end(cancelled(method));
    const timer = clock.schedule(Math.max(0, deadline - clock.now()), () =>
      end(disconnected(address, `did not connect in time for ${method}`)),
    );
    if (signal?.aborted) clock.schedule(0, onAbort);
    signal?.addEventListener('abort', onAbort, {once: true});
    return toDisposable(() => {
      timer.dispose();
      signal?.removeEventListener('abort', onAbort);
    });
  }

  private drop(address: AgentAddress, command: Command): void {
    const key = addressKey(address);
    const agent = this.agents.get(key);
    const place = agent?.queue.indexOf(command) ?? -1;
    if (!agent || place < 0) return;
    agent.queue.splice(place, 1);
    agent.queuedBytes -= command.bytes ?? 0;
    this.forgetIdle(key);
  }

  private agent(address: AgentAddress): Agent {
    const key = addressKey(address);
    let agent = this.agents.get(key);
    if (!agent) {
      agent = {link: undefined, displaced: undefined, queue: [], queuedBytes: 0};
      this.agents.set(key, agent);
    }
    return agent;
  }

  private forgetIdle(key: string): void {
    const agent = this.agents.get(key);
    if (agent && !agent.link && !agent.displaced && agent.queue.length === 0) this.agents.delete(key);
  }
}

function isHere(link: AgentLink | undefined): boolean {
  return link !== undefined && !link.remote;
}

function fits(command: Command, link: AgentLink): boolean {
  return !command.here || isHere(link);
}

/** A signal that has yet to be made is not worth making for what is answered at once. */
function inFlightSignal(signal: CommandSignal | undefined): AbortSignal | undefined {
  return typeof signal === 'function' ? undefined : signal;
}

function cancelled(method: string): ProtocolError {
  return new ProtocolError('cancelled', `${method} was cancelled`);
}

function disconnected(address: AgentAddress, what: string): ProtocolError {
  return new ProtocolError('agentDisconnected', `${address.agentId} ${what}`);
}

function addressKey(address: AgentAddress): string {
  return `${address.tenant}/${address.agentId}`;
}
