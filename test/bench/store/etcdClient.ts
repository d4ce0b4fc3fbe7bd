/** A client of an etcd in a process of its own, by the library that the etcd driver uses. Argument: its options, as JSON. */
import {noop} from 'cockatiel';
import {Etcd3} from 'etcd3';
import {answerQuestions, type ClientOptions, type ClientQuestion} from './clientProcess.ts';
import {keyOf, runLoad, VALUE} from './load.ts';

async function main({url}: ClientOptions): Promise<void> {
  // Its circuit breaker would only slow it.
  const {kv} = new Etcd3({hosts: [url], faultHandling: {host: () => noop, global: noop}});
  const value = Buffer.from(VALUE);
  const put = (key: string) => kv.put({key: Buffer.from(key), value});
  const get = (key: string) => kv.range({key: Buffer.from(key)});
  await get('is it there');
  answerQuestions(({load}: ClientQuestion) =>
    runLoad(load, turn => (load.operation === 'put' ? put(keyOf(turn)) : get(keyOf(turn)))),
  );
}

await main(JSON.parse(process.argv[2] ?? '{}'));
