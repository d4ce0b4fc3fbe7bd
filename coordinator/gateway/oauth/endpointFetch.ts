/** Requests of OAuth: the headers of a registration go to the server's own origin, never to an authorization server elsewhere. */
import type {FetchLike} from '@modelcontextprotocol/client';
import type {HttpEndpoint} from '../../protocol/model/server.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

/** What an authorization server answers is a page at most. */
const MAX_MS = 30_000;

export function endpointFetch({url, headers}: HttpEndpoint): FetchLike {
  const {origin} = new URL(url);
  return (target, init) => {
    if (new URL(target).origin !== origin) return fetch(target, init);
    const all = new Headers(init?.headers);
    for (const [name, value] of Object.entries(headers)) if (!all.has(name)) all.set(name, value);
    return fetch(target, {...init, headers: all});
  };
}

/** As `endpointFetch`, for what has to be answered soon. */
export function promptFetch(endpoint: HttpEndpoint, clock: Clock): FetchLike {
  const fetchFn = endpointFetch(endpoint);
  return async (target, init) => {
    const late = new AbortController();
    const timer = clock.schedule(MAX_MS, () =>
      late.abort(
        new CoordinatorError('timeout', `${new URL(target).origin} did not answer within ${MAX_MS} ms`),
      ),
    );
    const signal = init?.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
    try {
      // What is secret goes where it was meant to go.
      const redirect = init?.redirect ?? (init?.method === 'POST' ? 'error' : 'follow');
      const response = await fetchFn(target, {...init, redirect, signal});
      const body = [204, 205, 304].includes(response.status) ? null : await response.arrayBuffer();
      return new Response(body, response);
    } finally {
      timer.dispose();
    }
  };
}
