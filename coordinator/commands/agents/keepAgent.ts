/** The process that keeps an added agent. Started by `mcpx agent add` only. */
import {readFile} from 'node:fs/promises';
import {type RehearsalServer, startRehearsalServer} from '../../agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../agent/rehearsal/script.ts';
import {createLogger, type Logger} from '../../observability/logger.ts';
import {systemClock} from '../../runtime/clock.ts';
import {systemRandom} from '../../runtime/random.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {userDirectories} from '../local/directories.ts';
import {hostFaultOf} from '../local/hostFault.ts';
import {tellStarterAndPart} from '../local/starter.ts';
import {AgentKeeper} from './agentKeeper.ts';
import {keptAgents} from './keptAgent.ts';

export async function keepAgent(name: string, io: CommandIo): Promise<number> {
  const directories = userDirectories(io.env);
  const folders = keptAgents(directories);
  const logger = createLogger({
    sink: {write: line => io.stderr(`${line}\n`)},
    level: 'info',
    format: 'text',
    wallNow: systemClock.wallNow,
  });
  let rehearsal: RehearsalServer | undefined;
  try {
    const agent = await folders.require(name);
    const lock = await folders.claim(name, systemRandom);
    try {
      rehearsal = await rehearsalOf(agent.rehearsal, logger);
      const keeper = new AgentKeeper({
        agent,
        directories,
        env: io.env,
        rehearsalEnv: rehearsal?.env,
        joined: () => void tellStarterAndPart({kind: 'begun', agents: 1}),
        clock: systemClock,
        logger,
      });
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => keeper.stop());
      await keeper.run();
    } finally {
      await rehearsal?.stop();
      await lock.release();
    }
    return EXIT.ok;
  } catch (error) {
    await tellStarterAndPart({kind: 'failed', fault: hostFaultOf(error)});
    throw error;
  } finally {
    // Nobody is told any more.
    if (process.connected) process.disconnect?.();
  }
}

async function rehearsalOf(script: string | undefined, logger: Logger): Promise<RehearsalServer | undefined> {
  if (script === undefined) return undefined;
  const text = await readFile(script, 'utf8');
  return startRehearsalServer({clock: systemClock, logger, script: parseRehearsalScript(text, script)});
}
