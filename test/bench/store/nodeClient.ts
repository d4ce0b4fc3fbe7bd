/** A client in a process of its own that carries loads out. */
import type {BenchProcess} from '../processes.ts';
import type {ClientOptions} from './clientProcess.ts';
import type {Load, LoadResult} from './load.ts';
import type {Programs} from './programs.ts';
import type {LoadSubject} from './subject.ts';

export class NodeClient implements LoadSubject {
  private constructor(
    readonly name: string,
    private readonly client: BenchProcess,
  ) {}

  static start(programs: Programs, program: 'ourClient' | 'etcdClient', options: ClientOptions): NodeClient {
    const name = program === 'ourClient' ? 'MCPX' : 'etcd by Node';
    return new NodeClient(name, programs.start(program, options));
  }

  run(load: Load): Promise<LoadResult> {
    return this.client.ask<LoadResult>({load});
  }

  stop(): Promise<void> {
    return this.client.stop();
  }
}
