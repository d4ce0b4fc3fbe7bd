/** A client of a coordinator in a process of its own: puts and reads shared memory as fast as it is answered. Argument: its options, as JSON. */
import {connectClient} from '../../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../../coordinator/client/nodeSocket.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {answerQuestions, type ClientOptions, type ClientQuestion} from './clientProcess.ts';
import {keyOf, runLoad, VALUE} from './load.ts';

const CONNECT_MS = 30_000;

async function main({url, token = '', sessionId = ''}: ClientOptions): Promise<void> {
  const client = connectClient({
    urls: [url],
    token: () => token,
    openSocket: nodeSocket(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    implementation: {name: 'mcpx-bench', version: '0'},
  });
  await client.whenConnected(CONNECT_MS);
  const put = (key: string) => client.request('mcpx.memory.put', {sessionId, key, value: VALUE});
  const get = (key: string) => client.request('mcpx.memory.get', {sessionId, key, level: 'strong'});
  answerQuestions(({load}: ClientQuestion) =>
    runLoad(load, turn => (load.operation === 'put' ? put(keyOf(turn)) : get(keyOf(turn)))),
  );
}

await main(JSON.parse(process.argv[2] ?? '{}'));
