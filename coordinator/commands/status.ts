/** `mcpx status`: the coordinator, its agents, the sessions under way, and what waits for a person. */
import type {Command} from 'commander';
import {speculationText} from '../client/report/explainBackup.ts';
import {silentLogger} from '../observability/logger.ts';
import {FINAL_SESSION_STATES} from '../protocol/model/session.ts';
import {formatDuration} from '../protocol/plan/duration.ts';
import {systemClock} from '../runtime/clock.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, snapshotRows, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {approvalText} from './report/taskText.ts';
import {formatDollars} from './report/terminalText.ts';

export function addStatusCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  connectOptions(
    program
      .command('status')
      .description('The coordinator, its agents, the sessions under way, and what waits for a person.'),
  )
    .option('--json', 'everything as one JSON object', false)
    .action(async (options: ConnectOptions & {json: boolean}) => done(await status(options, io)));
}

function status(options: ConnectOptions & {json: boolean}, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async (client, target) => {
    const info = await client.request('mcpx.cluster.info', {});
    const agents = (await snapshotRows(client, {view: 'agents'})).flatMap(row =>
      row.kind === 'agent' ? [row] : [],
    );
    const sessions = (await snapshotRows(client, {view: 'sessions'})).flatMap(row =>
      row.kind === 'session' ? [row.session] : [],
    );
    const approvals = (await snapshotRows(client, {view: 'approvals'})).flatMap(row =>
      row.kind === 'approval' && row.approval.state.kind === 'waiting' ? [row.approval] : [],
    );
    if (options.json) {
      io.stdout(
        `${JSON.stringify({coordinator: info, agents: agents.map(({agent, online}) => ({...agent, online})), sessions, approvals})}\n`,
      );
      return EXIT.ok;
    }
    const up = formatDuration(systemClock.wallNow() - info.startedAt);
    io.stdout(`Coordinator ${info.coordinator} at ${target.url}, mcpx ${info.version}, up ${up}\n`);
    io.stdout(
      `Store: ${info.store.driver}, revision ${info.store.revision}, ${info.store.keys} keys${info.store.degraded ? `; DEGRADED: ${info.store.degraded}` : ''}\n\n`,
    );
    const present = agents.filter(({agent, online}) => online || agent.instance.status !== 'offline');
    io.stdout(present.length === 0 ? 'No agents.\n' : 'Agents\n');
    for (const {agent, online} of present) {
      const {instance} = agent;
      const where = [instance.metadata.region, instance.metadata.hostname].filter(Boolean).join(' ');
      const claude = instance.metadata.rehearsal ? 'rehearsal' : instance.metadata.claude.kind;
      const state = online ? instance.status : instance.status === 'offline' ? 'offline' : 'unreachable';
      io.stdout(
        `  ${instance.id}  ${state}  ${instance.metadata.maxConcurrentTasks} slots  claude: ${claude}  ${where}${agent.pauseReason ? `  (${agent.pauseReason})` : ''}\n`,
      );
    }
    const running = sessions.filter(session => !FINAL_SESSION_STATES.has(session.state));
    io.stdout(running.length === 0 ? 'No sessions under way.\n' : 'Sessions\n');
    for (const session of running) {
      const {counts} = session;
      io.stdout(
        `  ${session.id}  ${session.state}  ${counts.succeeded}/${counts.total} tasks, ${counts.running} running  ${formatDollars(session.spentUsd)}${session.speculation ? ` (${speculationText(session)})` : ''}  ${session.name}${session.rehearsal ? ' (rehearsal)' : ''}${session.open ? ' (open)' : ''}\n`,
      );
    }
    if (approvals.length > 0) io.stdout('Waiting for a person\n');
    for (const approval of approvals)
      io.stdout(`  ${approval.id}  ${approval.sessionId}/${approval.taskId}  ${approvalText(approval)}\n`);
    return EXIT.ok;
  });
}
