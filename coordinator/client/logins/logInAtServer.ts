/** A person's login at an MCP server that wants OAuth, from the machine where the browser comes back to: begun and finished by the coordinator. */
import type {ServerLoginResult} from '../../protocol/commands/server.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {McpxClient} from '../mcpxClient.ts';
import {listenForReturn} from './returnListener.ts';

export type FinishedLogin = Omit<Extract<ServerLoginResult, {step: 'finish'}>, 'step'>;

export interface LoginAtServer {
  readonly client: Pick<McpxClient, 'request'>;
  readonly name: string;
  /** Wanted beside what was granted before. */
  readonly scope?: string | undefined;
  /** Of this machine, where the browser comes back to. Default: a free one. */
  readonly port?: number;
  readonly clock: Clock;
  /** Its reason is what the login is rejected with. */
  readonly signal?: AbortSignal;
  /** Where a browser on another machine reaches an address of this one. Default: nowhere else. */
  readonly reachedAt?: (url: string) => Promise<string>;
  /** The page where the person logs in: from now on it is their turn. */
  readonly goTo: (authorizationUrl: string) => void | Promise<void>;
}

/** Several servers are asked, one after the other. */
const STEP_MS = 120_000;

/** Rejects with a `ProtocolError` of the coordinator, and as `ReturnListener.comesBack`. */
export async function logInAtServer(login: LoginAtServer): Promise<FinishedLogin> {
  const {client, name, scope, port = 0, clock, signal, reachedAt, goTo} = login;
  const options = {timeoutMs: STEP_MS, ...(signal && {signal})};
  const listener = await listenForReturn(port, clock);
  try {
    const redirectUrl = reachedAt ? await reachedAt(listener.url) : listener.url;
    const begun = await client.request(
      'mcpx.server.login',
      {step: 'begin', name, redirectUrl, ...(scope !== undefined && {scope})},
      options,
    );
    if (begun.step !== 'begin') throw new CoordinatorError('internal', 'the login did not begin');
    const coming = listener.comesBack(begun.state, signal);
    await goTo(begun.authorizationUrl);
    const {code, iss, show} = await coming;
    try {
      const result = await client.request(
        'mcpx.server.login',
        {step: 'finish', name, state: begun.state, code, ...(iss !== undefined && {iss})},
        options,
      );
      if (result.step !== 'finish') throw new CoordinatorError('internal', 'the login did not finish');
      await show(`The hub is logged in at ${name}. This page can be closed.`);
      const {step: _, ...finished} = result;
      return finished;
    } catch (error) {
      await show('The login failed: see where it was begun. This page can be closed.');
      throw error;
    }
  } finally {
    listener.dispose();
  }
}
