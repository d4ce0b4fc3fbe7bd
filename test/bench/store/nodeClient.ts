/** A process that carries loads out: a client, or a node of the store from inside. */
import type {BenchProcess} from '../processes.ts';
import type {ClientOptions} from './clientProcess.ts';
import type {Load, LoadResult} from './load.ts';
import type {Programs} from './programs.ts';
import type {LoadSubject} from './subject.ts';

export class NodeClient implements LoadSubject {
  constructor(
    readonly name: string,
    readonly process: BenchProcess,
  ) {}

  static start(programs: Programs, program: 'ourClient' | 'etcdClient', options: ClientOptions): NodeClient {
    const name = program === 'ourClient' ? 'MCPX' : 'etcd by Node';
    return new NodeClient(name, programs.start(program, options));
  }

  run(load: Load): Promise<LoadResult> {
    return this.process.ask<LoadResult>({ask: 'load', load});
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}
