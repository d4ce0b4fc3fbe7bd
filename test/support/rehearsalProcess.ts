/** The scripted model of a rehearsal as a process of its own, for agents that cannot reach the one of the run: `tsx rehearsalProcess.ts SCRIPT`. Prints the variables of its agents, and ends when its standard input does, with the requests that it was sent on a last line. */
import {readFileSync} from 'node:fs';
import {startRehearsalServer} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';

const [, , file = ''] = process.argv;
const server = await startRehearsalServer({
  clock: systemClock,
  logger: silentLogger,
  script: parseRehearsalScript(readFileSync(file, 'utf8'), file),
});
console.log(JSON.stringify(server.env));
process.stdin.resume();
process.stdin.once('close', () => {
  process.stdout.write(`${JSON.stringify(server.requests)}\n`, () => void server.stop());
});
