/** A connection of a bridge that may be established again: its links follow each other, whoever sends waits for the next while there is one to come. */
import {
  type BridgeConnection,
  type BridgeSendOptions,
  type BridgeTarget,
  translateMCPToMCPX,
  translateMCPXToMCP,
} from '../../bridge/protocolBridge.ts';
import type {MCPXMessage} from '../../protocol/envelope.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {ProtocolVersion} from '../../protocol/negotiation.ts';
import {DEFAULT_REQUEST_TIMEOUT_MS} from '../../protocol/version.ts';
import type {Clock} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import type {Link} from './link.ts';

export class EstablishedConnection implements BridgeConnection {
  private next = deferred<void>();
  private closed = false;
  /** Somebody establishes it again when it breaks. */
  isMaintained = false;

  constructor(
    readonly id: string,
    readonly target: BridgeTarget,
    readonly url: string,
    private current: Link,
    private readonly clock: Clock,
  ) {}

  get link(): Link {
    return this.current;
  }

  get version(): ProtocolVersion {
    return this.current.version;
  }

  get isOpen(): boolean {
    return !this.closed && this.current.isOpen;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** The link that takes over. */
  replace(link: Link): void {
    this.current = link;
    this.wake();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.wake();
    await this.current.close();
  }

  async send(message: MCPXMessage, options: BridgeSendOptions = {}): Promise<MCPXMessage | undefined> {
    const {timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS, signal} = options;
    const {method} = message;
    if (method === undefined)
      throw new ProtocolError('invalidRequest', 'only requests and notifications are sent');
    const plain = translateMCPXToMCP(message);
    const until = this.clock.now() + timeoutMs;
    await this.whenOpen(method, timeoutMs, signal);
    const answer = await this.current.send(plain, {
      ...options,
      timeoutMs: Math.max(1, until - this.clock.now()),
    });
    return answer && translateMCPToMCPX(answer);
  }

  private async whenOpen(method: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.isOpen) return;
    const refused = (): ProtocolError =>
      new ProtocolError('unavailable', `${method} was not sent: the connection to ${this.url} is closed`);
    if (!this.isMaintained) throw refused();
    const givenUp = deferred<void>();
    let isGivenUp = false;
    const giveUp = (): void => {
      isGivenUp = true;
      givenUp.resolve();
    };
    const timer = this.clock.schedule(timeoutMs, giveUp);
    signal?.addEventListener('abort', giveUp, {once: true});
    while (!this.isOpen && !this.closed && this.isMaintained && !isGivenUp)
      await Promise.race([this.next.promise, givenUp.promise]);
    timer.dispose();
    signal?.removeEventListener('abort', giveUp);
    if (signal?.aborted) throw new ProtocolError('cancelled', `${method} was cancelled`);
    if (!this.isOpen) throw refused();
  }

  /** Whoever waits looks again. */
  wake(): void {
    this.next.resolve();
    this.next = deferred<void>();
  }
}
