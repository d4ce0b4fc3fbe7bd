/** An agent in a process of its own, for tests that kill it. SIGTERM drains and stops it. */
import {runAgent} from '../../coordinator/agent/runAgent.ts';
import {agentOptions} from './agentFixture.ts';

const [stateDirectory = '', hubUrl = ''] = process.argv.slice(2);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
await runAgent({...agentOptions(stateDirectory, hubUrl), stop: stop.signal});
process.exit(0);
