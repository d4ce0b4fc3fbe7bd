/** The program within a network and mounts of its own: one run, whose outcome is the last line of its output. Argument: the options, as JSON. It ends when its input does. */
import {runTrial, type TrialOptions} from './trial.ts';

// Whoever started it may be killed: nothing may stay behind.
process.stdin.once('end', () => process.exit(1)).resume();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const options: TrialOptions = JSON.parse(process.argv[2] ?? '{}');
const outcome = await runTrial(options);
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
