/** Sessions as a person or a program looks at them: all of them, or one as a report. */
import path from 'node:path';
import {silentLogger} from '../../observability/logger.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {systemClock} from '../../runtime/clock.ts';
import {answer, type JsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, snapshotRows, withClient} from '../local/connect.ts';
import {userDirectories} from '../local/directories.ts';
import {finalLine} from '../report/finalLine.ts';
import {junitXml} from '../report/junit.ts';
import {summary} from '../report/summary.ts';
import {formatDollars, terminalColors, wantsColors} from '../report/terminalText.ts';
import {hostPid} from '../run/runFolders.ts';
import {writeReport} from '../run/writeReport.ts';
import {planOf} from './sessionPlan.ts';
import {listSessions, requireSession, sessionReport} from './sessionRows.ts';

/** `host`: whether a process of this machine runs agents for it. */
type ListedSession = SessionRecord & {readonly host: 'running' | 'gone'};

export function showSessions(options: ConnectOptions & JsonOption, io: CommandIo): Promise<number> {
  const directories = userDirectories(io.env);
  return withClient(options, io, silentLogger, async client => {
    const sessions = await Promise.all(
      (await listSessions(client)).map(async (session): Promise<ListedSession> => {
        const hosted = (await hostPid(directories, session.id)) !== undefined;
        return {...session, host: hosted ? 'running' : 'gone'};
      }),
    );
    const text = sessions.map(session => `${sessionLine(session)}\n`).join('');
    answer(io, options, {sessions}, text === '' ? 'No sessions.\n' : text);
    return EXIT.ok;
  });
}

function sessionLine(session: SessionRecord): string {
  const {id, state, counts, spentUsd, createdAt, name, rehearsal} = session;
  const created = new Date(createdAt).toISOString().slice(0, 16);
  return `${id}  ${state.padEnd(9)}  ${counts.succeeded}/${counts.total}  ${formatDollars(spentUsd)}  ${created}  ${name}${rehearsal ? ' (rehearsal)' : ''}`;
}

export interface ShowOptions extends ConnectOptions, JsonOption {
  /** A file for the JUnit report. */
  readonly junit?: string;
}

/** With `--json` the last line of `mcpx run --json`. */
export function showSession(id: string, options: ShowOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async (client, target) => {
    const session = await requireSession(client, id);
    const rows = [
      ...(await snapshotRows(client, {view: 'session', sessionId: session.id})),
      ...(await snapshotRows(client, {view: 'approvals', sessionId: session.id})),
      ...(await snapshotRows(client, {view: 'agents'})),
    ];
    const report = sessionReport(rows, session.id, await planOf(session, target));
    const wallNow = systemClock.wallNow();
    if (options.junit !== undefined)
      await writeReport(path.resolve(io.cwd, options.junit), junitXml(report, wallNow));
    const colors = terminalColors(wantsColors(io.env, io.interactive));
    if (options.json) io.stdout(`${finalLine(report, wallNow)}\n`);
    else io.stdout(`${summary(report, {wallNow, columns: io.columns, colors})}\n`);
    return EXIT.ok;
  });
}
