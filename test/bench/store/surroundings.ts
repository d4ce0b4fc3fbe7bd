/** What every part of the benchmark runs in. */
import type {Programs} from './programs.ts';

export interface Surroundings {
  /** The built command of the product. */
  readonly program: string;
  readonly programs: Programs;
  /** A folder for data and logs. */
  readonly scratch: string;
  readonly rounds: number;
  /** Of one measurement under load. */
  readonly ms: number;
}
