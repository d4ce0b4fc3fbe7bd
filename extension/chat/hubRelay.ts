/**
 * A way on loopback to a hub whose certificate only this window trusts. Whoever knows the secret, which ends with the window, speaks with the
 * window's own token; the token itself goes no further than this.
 */
import {timingSafeEqual} from 'node:crypto';
import * as http from 'node:http';
import type {AddressInfo} from 'node:net';
import {passToHub} from '../../coordinator/client/passToHub.ts';
import type {Logger} from '../../coordinator/observability/logger.ts';
import {CoordinatorError, describeError} from '../../coordinator/runtime/errors.ts';
import {listenOnLoopback} from '../../coordinator/runtime/listen.ts';
import type {Random} from '../../coordinator/runtime/random.ts';

/** Read for every request, so that another coordinator, or a renewed token, is followed at once. */
export interface HubTarget {
  readonly url: string;
  readonly token: string | undefined;
  /** PEM of the only authority that is trusted. */
  readonly ca: string | undefined;
}

export interface HubRelayOptions {
  /** Undefined: no coordinator is connected. */
  readonly target: () => HubTarget | undefined;
  readonly random: Random;
  readonly logger: Logger;
}

const HUB_PATH = '/mcp';

export class HubRelay {
  readonly secret: string;
  private readonly server: http.Server;

  private constructor(private readonly options: HubRelayOptions) {
    this.secret = options.random.hex(32);
    this.server = http.createServer((request, response) => this.serve(request, response));
  }

  /** Resolves when it is open. Rejects with `unavailable`. */
  static async open(options: HubRelayOptions): Promise<HubRelay> {
    const relay = new HubRelay(options);
    try {
      await listenOnLoopback(relay.server);
    } catch (error) {
      throw new CoordinatorError('unavailable', 'no way to the hub can be opened on this machine', {
        cause: error,
      });
    }
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${HUB_PATH}`;
  }

  dispose(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const target = this.options.target();
    if (!this.isInvited(request)) refuse(response, 401, 'this is for the chat of the editor alone');
    else if (new URL(request.url ?? '/', this.url).pathname !== HUB_PATH)
      refuse(response, 404, 'there is nothing here');
    else if (!target) refuse(response, 503, 'no coordinator is connected');
    else void this.passOn(request, response, target);
  }

  private isInvited({headers}: http.IncomingMessage): boolean {
    const given = Buffer.from(headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.secret}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  private async passOn(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    {url, token, ca}: HubTarget,
  ): Promise<void> {
    try {
      await passToHub(request, response, {url: new URL(url), token, ca});
    } catch (error) {
      this.options.logger.debug('the hub did not answer the chat', {error: describeError(error)});
      if (response.headersSent) response.destroy();
      else refuse(response, 502, `the hub cannot be reached: ${describeError(error)}`);
    }
  }
}

function refuse(response: http.ServerResponse, status: number, message: string): void {
  response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify({error: message}));
}
