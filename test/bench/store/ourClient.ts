/** A client of a coordinator in a process of its own, which uses shared memory. Argument: its options, as JSON. */
import type {McpxClient} from '../../../coordinator/client/mcpxClient.ts';
import {answerQuestions, type ClientOptions} from './clientProcess.ts';
import {connect} from './connect.ts';
import {measureGap} from './gap.ts';
import {keyOf, runLoad, VALUE} from './load.ts';
import {Watching} from './watching.ts';

const CONNECT_MS = 30_000;
/** A hub takes so many of one connection. */
const WATCHES_A_CONNECTION = 250;

async function main(options: ClientOptions): Promise<void> {
  const {sessionId = ''} = options;
  const client = connect(options.url, options.token ?? '');
  await client.whenConnected(CONNECT_MS);
  const put = (key: string) => client.request('mcpx.memory.put', {sessionId, key, value: VALUE});
  const get = (key: string) => client.request('mcpx.memory.get', {sessionId, key, level: 'strong'});
  const watchers: McpxClient[] = [];
  const open = (number: number, onPut: () => void): Promise<void> => {
    const at = Math.floor(number / WATCHES_A_CONNECTION);
    const over = watchers[at] ?? connect(options.url, options.token ?? '');
    watchers[at] = over;
    return new Promise((resolve, reject) => {
      over.watch({view: 'memory', sessionId}, update => {
        if (update.kind === 'failed') reject(update.error);
        else if (update.kind === 'snapshot') resolve();
        else if (update.upserts.length > 0) onPut();
      });
    });
  };
  const watching = new Watching({open, put: () => put('watched')});
  answerQuestions({
    load: ({load}) => runLoad(load, turn => (load.operation === 'put' ? put : get)(keyOf(turn))),
    gap: ({ms}) => measureGap(ms, turn => put(keyOf(turn))),
    watch: question => watching.measure(question),
  });
}

await main(JSON.parse(process.argv[2] ?? '{}'));
