/** What a person does to a session: its budget, its end, and the worktrees that it kept. */
import {silentLogger} from '../../observability/logger.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {answer, type JsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, withClient} from '../local/connect.ts';
import {formatDollars} from '../report/terminalText.ts';
import {requireSession} from './sessionRows.ts';

type Options = ConnectOptions & JsonOption;

export function setBudget(id: string, usd: string, options: Options, io: CommandIo): Promise<number> {
  const budgetUsd = Number(usd);
  if (!(budgetUsd > 0)) throw new CoordinatorError('config', `"${usd}" is not an amount of dollars`);
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    const {session} = await client.request('mcpx.session.control', {
      sessionId,
      action: {kind: 'budget', budgetUsd},
    });
    const {state, spentUsd} = session;
    const text = `${session.id}: ${state}, ${formatDollars(spentUsd)} of ${formatDollars(budgetUsd)} spent\n`;
    answer(io, options, {session: session.id, state, spentUsd, budgetUsd}, text);
    return EXIT.ok;
  });
}

export function cancelSession(id: string, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    const {session} = await client.request('mcpx.orchestrate.session.end', {
      sessionId,
      mode: 'cancel',
      reason: 'cancelled by its owner',
    });
    answer(io, options, {session: session.id, state: session.state}, `${session.id}: ${session.state}\n`);
    return EXIT.ok;
  });
}

export function closeSession(id: string, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    const {session} = await client.request('mcpx.session.control', {sessionId, action: {kind: 'close'}});
    const text = `${sessionId}: it takes no more tasks, and ends with those that it has\n`;
    answer(io, options, {session: sessionId, state: session.state}, text);
    return EXIT.ok;
  });
}

export function releaseSession(id: string, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    await client.request('mcpx.session.control', {sessionId, action: {kind: 'release'}});
    const text = `${sessionId}: its worktrees go as soon as their agents are there\n`;
    answer(io, options, {session: sessionId, released: true}, text);
    return EXIT.ok;
  });
}
