/** A client's socket in a browser: its own WebSocket, with the token as a subprotocol because headers cannot be set. */
import type {CloseInfo} from '../bridge/closeCodes.ts';
import {SUBPROTOCOLS} from '../protocol/version.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {OpenSocket} from './clientSocket.ts';

/** What is used of the browser's WebSocket. */
interface BrowserWebSocket {
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: {readonly data: unknown}) => void) | null;
  onclose: ((event: CloseInfo) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type BrowserWebSocketConstructor = new (url: string, protocols: string[]) => BrowserWebSocket;

const OPEN = 1;

/** Browsers close with 1000 and 3000 to 4999 only. */
const FALLBACK_CLOSE_CODE = 4000;

export function browserSocket(Socket: BrowserWebSocketConstructor): OpenSocket {
  return ({url, token}, events) => {
    const protocols: string[] = [...SUBPROTOCOLS];
    if (token !== undefined) protocols.push(`mcpx.token.${base64Url(token)}`);
    const socket = new Socket(url, protocols);
    let opened = false;
    socket.onopen = () => {
      opened = true;
      events.onOpen();
    };
    socket.onmessage = event => {
      if (typeof event.data === 'string') events.onFrame(event.data);
      else socket.close(FALLBACK_CLOSE_CODE, 'text frames only');
    };
    // A browser does not tell why a socket never opened.
    socket.onclose = ({code, reason}) =>
      events.onClose(
        {code, reason},
        opened ? undefined : new CoordinatorError('unavailable', `${url} did not let this page connect`),
      );
    return {
      send(text) {
        if (socket.readyState !== OPEN) throw new CoordinatorError('closed', 'the socket is closed');
        socket.send(text);
      },
      close(code, reason) {
        const allowed = code === 1000 || (code >= 3000 && code < 5000);
        socket.close(allowed ? code : FALLBACK_CLOSE_CODE, reason);
      },
    };
  };
}

function base64Url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const binary = String.fromCharCode(...bytes);
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}
