/** The supervisor process as the tests start it, without the rest of the mcpx command. */
import {runSupervisor} from '../../../coordinator/agent/supervisor/runSupervisor.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';

await runSupervisor(process, systemClock);
process.exit(0);
