/** The log of the store against a program in C that does nothing but write to the same disk, each write durable before the next. */
import {execFile, spawnSync} from 'node:child_process';
import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {NO_HARD_STATE} from '../../../coordinator/raft/types.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {realDisk} from '../../../coordinator/store/embedded/disk.ts';
import {LogWriter} from '../../../coordinator/store/embedded/logWriter.ts';
import {DEFAULT_EMBEDDED_SETTINGS} from '../../../coordinator/store/embedded/settings.ts';
import {aptInstall} from '../../support/aptInstall.ts';
import {type Row, rowOf} from '../statistics.ts';
import {runLoad, VALUE} from './load.ts';
import type {Surroundings} from './surroundings.ts';

const SOURCE = fileURLToPath(new URL('logWrites.c', import.meta.url));
const SEGMENT_BYTES = 64 * 1024 * 1024;
const LEAST = 0.85;

export async function logRows({scratch, rounds, ms}: Surroundings): Promise<Row[]> {
  const program = await compile(scratch);
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const folder = await mkdtemp(path.join(scratch, 'log-'));
    const mine = await ourWrites(path.join(folder, 'log'), ms);
    const args = [path.join(folder, 'file'), String(SEGMENT_BYTES), String(ms)];
    const theirs = Number((await promisify(execFile)(program, args)).stdout);
    await rm(folder, {recursive: true, force: true});
    console.error(`round ${round}: log, MCPX ${mine.toFixed(0)}/s, C ${theirs.toFixed(0)}/s`);
    if (round === 0) continue;
    ours.push(mine);
    peer.push(theirs);
  }
  return [rowOf('log, 1 writer; peer: C with O_DSYNC', 'writes/s', ours, peer, {atLeast: LEAST})];
}

async function compile(folder: string): Promise<string> {
  if (spawnSync('cc', ['--version'], {stdio: 'ignore'}).status !== 0) aptInstall(['gcc', 'libc6-dev']);
  const program = path.join(folder, 'logWrites');
  const {status, stderr} = spawnSync('cc', ['-O2', '-o', program, SOURCE], {encoding: 'utf8'});
  if (status !== 0) throw new Error(`the C program does not compile: ${stderr}`);
  return program;
}

async function ourWrites(folder: string, ms: number): Promise<number> {
  await mkdir(folder);
  const log = await LogWriter.open({
    disk: realDisk,
    folder,
    settings: {...DEFAULT_EMBEDDED_SETTINGS, firstSegmentBytes: SEGMENT_BYTES},
    random: systemRandom,
    logger: silentLogger,
    recovered: {
      hardState: NO_HARD_STATE,
      entries: [],
      segments: [],
      tail: undefined,
      truncated: undefined,
      nextIndex: 1,
    },
    begun: () => Promise.resolve(),
  });
  const data = Buffer.from(VALUE);
  let index = 0;
  const append = (): Promise<void> => {
    index += 1;
    return log.append({...NO_HARD_STATE, term: 1}, [{kind: 'command', index, term: 1, data}]);
  };
  // Makes the segment.
  await append();
  const {perSecond} = await runLoad({lanes: 1, ms}, append);
  await log.close();
  return perSecond;
}
