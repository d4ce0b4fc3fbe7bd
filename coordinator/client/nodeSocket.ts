/** A client's socket in Node: ws with a bearer token, and TLS that trusts the system, a given authority, or the one that a pin names. */
import {type ClientOptions, WebSocket} from 'ws';
import {WriteGathering} from '../bridge/writeGathering.ts';
import {SUBPROTOCOLS} from '../protocol/version.ts';
import {CoordinatorError, systemErrorCode} from '../runtime/errors.ts';
import {noMask} from '../runtime/noMask.ts';
import type {OpenSocket} from './clientSocket.ts';

export interface NodeSocketOptions {
  /** PEM of the only authority to trust; the system's where absent. Read at every try. */
  readonly ca?: () => string | undefined;
  /** Default 8 MiB. */
  readonly maxFrameBytes?: number;
}

const DEFAULT_MAX_FRAME_BYTES = 8 * 1024 ** 2;
/** A coordinator that does not answer a close is left after this. */
const CLOSE_TIMEOUT_MS = 2000;

export function nodeSocket(options: NodeSocketOptions = {}): OpenSocket {
  return ({url, token}, events) => {
    const ca = options.ca?.();
    // The typings do not know closeTimeout yet.
    const settings: ClientOptions & {closeTimeout: number} = {
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES,
      closeTimeout: CLOSE_TIMEOUT_MS,
      generateMask: noMask,
      ...(token === undefined ? {} : {headers: {authorization: `Bearer ${token}`}}),
      ...(ca === undefined ? {} : {ca}),
    };
    const socket = new WebSocket(url, [...SUBPROTOCOLS], settings);
    let failure: Error | undefined;
    let gathering: WriteGathering | undefined;
    socket.on('upgrade', response => {
      gathering = new WriteGathering(response.socket);
    });
    socket.on('open', () => events.onOpen());
    socket.on('message', (data, isBinary) => {
      if (isBinary) socket.close(1003, 'text frames only');
      else events.onFrame(data.toString());
    });
    socket.on('ping', () => events.onAlive());
    socket.on('unexpected-response', (_request, response) => {
      failure = refusal(url, response.statusCode ?? 0);
      response.resume();
      socket.terminate();
    });
    socket.on('error', error => {
      failure ??= unreachable(url, error);
    });
    socket.on('close', (code, reason) => events.onClose({code, reason: reason.toString()}, failure));
    const check = (): void => {
      if (socket.readyState !== WebSocket.OPEN) throw new CoordinatorError('closed', 'the socket is closed');
    };
    return {
      check,
      send(text) {
        check();
        gathering?.begin();
        socket.send(text);
      },
      close(code, reason) {
        if (socket.readyState === WebSocket.CONNECTING) socket.terminate();
        else socket.close(code, reason);
      },
    };
  };
}

/** What Node says of a certificate that does not prove the coordinator to be one. */
const CERTIFICATE_FAULT = /CERT|SIGNATURE|ISSUER|ALTNAME/;

function unreachable(url: string, error: Error): CoordinatorError {
  if (!CERTIFICATE_FAULT.test(systemErrorCode(error) ?? ''))
    return new CoordinatorError('unavailable', `cannot reach ${url}`, {cause: error});
  return new CoordinatorError('unauthorized', `${url} is not trusted`, {
    cause: error,
    hint: 'name the cluster with --ca-pin, as the join command has it',
  });
}

function refusal(url: string, status: number): CoordinatorError {
  if (status === 401)
    return new CoordinatorError('unauthorized', `${url} refused the token`, {
      hint: 'create a new one with: mcpx token create',
    });
  if (status === 403)
    return new CoordinatorError('unauthorized', `${url} does not serve this host name or origin`, {
      hint: 'add the name to the coordinator with --public-name',
    });
  return new CoordinatorError('unavailable', `${url} answered ${status}`);
}
