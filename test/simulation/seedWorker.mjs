/** A worker thread that runs the seeds that it is sent. JavaScript, because a thread starts without the loader of TypeScript. */
import {parentPort} from 'node:worker_threads';
import {register} from 'tsx/esm/api';

register();
const {simulate} = await import('./simulate.ts');
parentPort?.on('message', async seed => parentPort?.postMessage(await simulate({seed})));
