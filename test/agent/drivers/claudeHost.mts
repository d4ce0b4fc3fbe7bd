/** A stand-in for an agent that tests kill while Claude Code works in it. */
import {ClaudeDriver} from '../../../coordinator/agent/drivers/claude/claudeDriver.ts';
import {Supervisor} from '../../../coordinator/agent/supervisor/supervisor.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {supervisorCommand} from '../supervisor/support.ts';
import {RecordingHost, taskOf} from './recordingHost.ts';

const [stateFolder = '', worktree = '', executable = '', env = '{}'] = process.argv.slice(2);
const supervisor = await Supervisor.start({
  command: supervisorCommand,
  env: {PATH: process.env['PATH'] ?? ''},
  stateFolder,
  agentRun: 'run-host',
  agentPid: process.pid,
  clock: systemClock,
  logger: silentLogger,
});
const driver = new ClaudeDriver({supervisor, clock: systemClock, logger: silentLogger, executable});
const permissions = {mode: 'acceptEdits' as const, allow: ['Bash'], deny: []};
const work = {kind: 'prompt' as const, prompt: 'Do it.', options: {permissions}};
const task = {...taskOf(worktree, JSON.parse(env) as Record<string, string>, work), taskId: 't'};
const outcome = await driver.start(task, new RecordingHost()).outcome;
console.log(JSON.stringify(outcome));
