/** A client of an etcd in a process of its own, by the library that the etcd driver uses. Argument: its options, as JSON. */
import {noop} from 'cockatiel';
import {Etcd3} from 'etcd3';
import {answerQuestions, type ClientOptions} from './clientProcess.ts';
import {fillKeys} from './fill.ts';
import {measureGap} from './gap.ts';
import {keyOf, runLoad, VALUE} from './load.ts';
import {Watching} from './watching.ts';

async function main({url}: ClientOptions): Promise<void> {
  // Its circuit breaker would only slow it.
  const client = new Etcd3({hosts: [url], faultHandling: {host: () => noop, global: noop}});
  const {kv} = client;
  const value = Buffer.from(VALUE);
  const put = (key: string) => kv.put({key: Buffer.from(key), value});
  const get = (key: string) => kv.range({key: Buffer.from(key)});
  const watching = new Watching({
    open: async (_number, onPut) => {
      const watcher = await client.watch().key('watched').create();
      watcher.on('put', onPut);
    },
    put: () => put('watched'),
  });
  answerQuestions({
    load: ({load}) => runLoad(load, turn => (load.operation === 'put' ? put : get)(keyOf(turn))),
    gap: ({ms}) => measureGap(ms, turn => put(keyOf(turn))),
    watch: question => watching.measure(question),
    fill: async ({keys}) => {
      await fillKeys(keys, async names => {
        await kv.txn({success: names.map(name => ({request_put: {key: Buffer.from(name), value}}))});
      });
      return {};
    },
  });
}

await main(JSON.parse(process.argv[2] ?? '{}'));
