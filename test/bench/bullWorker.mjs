// BullMQ's worker process: takes jobs that do nothing, as many at once as it is told. Arguments: folder of the packages, port, queue, concurrency.
import {createRequire} from 'node:module';
import path from 'node:path';

const [folder, port, queue, concurrency] = process.argv.slice(2);
const {Worker} = createRequire(path.join(folder, 'package.json'))('bullmq');
const worker = new Worker(queue, async job => [job.timestamp, job.processedOn], {
  connection: {host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null},
  concurrency: Number(concurrency),
});
worker.on('error', error => console.error(error));
await worker.waitUntilReady();
process.send?.('ready');
process.on('SIGTERM', () => process.exit(0));
