/** A stand-in for an agent that tests kill: runs one shell script under a supervisor and says when it runs. */
import {Supervisor} from '../../../coordinator/agent/supervisor/supervisor.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {supervisorCommand} from './support.ts';

const [stateFolder = '', agentRun = '', script = ''] = process.argv.slice(2);
const supervisor = await Supervisor.start({
  command: supervisorCommand,
  env: {PATH: process.env['PATH'] ?? ''},
  stateFolder,
  agentRun,
  agentPid: process.pid,
  clock: systemClock,
  logger: silentLogger,
});
const {child} = supervisor.spawn('attempt-1', {
  command: '/bin/sh',
  args: ['-c', script],
  cwd: stateFolder,
  env: {PATH: process.env['PATH'] ?? ''},
  stdin: 'ignore',
});
child.stdout?.on('data', chunk => process.stdout.write(chunk));
