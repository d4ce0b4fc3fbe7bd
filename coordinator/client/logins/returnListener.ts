/** Where a browser comes back to after a login: one address on loopback, for one state. */
import {once} from 'node:events';
import {createServer, type ServerResponse} from 'node:http';
import {rejectOnAbort} from '../../runtime/abort.ts';
import type {Clock} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import {DisposableStore} from '../../runtime/disposable.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {listenOnLoopback} from '../../runtime/listen.ts';

export interface Return {
  readonly code: string;
  readonly iss: string | undefined;
  /** What the person reads there. */
  show(text: string): Promise<void>;
}

export interface ReturnListener {
  readonly url: string;
  /** Rejects with `unauthorized` when the person, or the authorization server, refused, with `timeout`, and with the signal's reason. Other states are turned away. */
  comesBack(state: string, signal?: AbortSignal): Promise<Return>;
  dispose(): void;
}

const PATH = '/callback';
/** The coordinator has forgotten it by then. */
const PATIENCE_MS = 600_000;

/** Rejects with `config` when the port is taken. */
export async function listenForReturn(port: number, clock: Clock): Promise<ReturnListener> {
  const back = deferred<Return>();
  // Nobody may wait for it.
  back.promise.catch(() => undefined);
  let expected: string | undefined;
  const owned = new DisposableStore();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const {searchParams: query} = url;
    if (request.method !== 'GET' || url.pathname !== PATH)
      return void page(response, 404, 'Nothing is here.');
    if (expected === undefined || query.get('state') !== expected)
      return void page(response, 400, 'This is no login that is under way here.');
    const error = query.get('error');
    const code = query.get('code');
    if (error !== null || code === null) {
      void page(response, 200, 'The login was refused. This page can be closed.');
      const reason = /^[a-z_]{1,64}$/.exec(error ?? '')?.[0] ?? 'without a reason';
      back.reject(
        new CoordinatorError('unauthorized', `the authorization server refused the login: ${reason}`, {
          hint: 'Begin it anew, and agree on the page of the authorization server.',
        }),
      );
      return;
    }
    expected = undefined;
    const iss = query.get('iss') ?? undefined;
    back.resolve({code, iss, show: text => page(response, 200, text)});
  });
  let bound: number;
  try {
    bound = await listenOnLoopback(server, port);
  } catch (cause) {
    throw new CoordinatorError('config', `port ${port} cannot be used on 127.0.0.1`, {
      cause,
      hint: 'Leave --port out, or name another one.',
    });
  }
  return {
    url: `http://127.0.0.1:${bound}${PATH}`,
    comesBack: (state, signal) => {
      expected = state;
      owned.add(
        clock.schedule(PATIENCE_MS, () =>
          back.reject(
            new CoordinatorError('timeout', 'no browser came back from the login within ten minutes', {
              hint: 'Begin it anew.',
            }),
          ),
        ),
      );
      owned.add(rejectOnAbort(back, signal));
      return back.promise;
    },
    dispose: () => {
      owned.dispose();
      server.close();
      server.closeIdleConnections();
    },
  };
}

async function page(response: ServerResponse, status: number, text: string): Promise<void> {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'",
    // The address has a code in it.
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    connection: 'close',
  });
  const shown = text.replaceAll(/[&<>]/g, sign => `&#${sign.charCodeAt(0)};`);
  const ended = once(response, 'close');
  response.end(`<!doctype html><title>MCPX</title><p>${shown}</p>\n`);
  await ended;
}
