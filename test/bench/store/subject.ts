/** Whatever answers a load: one of the systems that are compared, seen through one of its clients. */
import type {Load, LoadResult} from './load.ts';

export interface LoadSubject {
  readonly name: string;
  run(load: Load): Promise<LoadResult>;
  stop(): Promise<void>;
}
