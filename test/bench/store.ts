/**
 * npm run bench:store: the embedded store and shared memory against etcd 3.4 from Debian: puts, linearizable reads, watchers, the loss of a leader,
 * the log, and what a million keys cost. Same machine, same number of callers, every write on disk before it is acknowledged, in turns.
 *
 *   --rounds N   rounds of each measurement (5), of those that kill a leader at most 3
 *   --ms N       length of one measurement under load (1000)
 *   --only PART  one of the parts: wire, watchers, failover, log, keys; may be repeated
 *   --install    installs etcd and h2load with apt, as CI=true does
 *   --json FILE  writes the figures
 */
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {missingEtcd} from '../support/etcdServer.ts';
import {builtProgram} from './builtProgram.ts';
import {type Row, tableOf} from './statistics.ts';
import {failoverRows} from './store/failover.ts';
import {installH2load} from './store/h2load.ts';
import {keyRows} from './store/keys.ts';
import {logRows} from './store/log.ts';
import {Programs} from './store/programs.ts';
import {reasonsOf} from './store/reasons.ts';
import {watcherRows} from './store/watchers.ts';
import {wireRows} from './store/wire.ts';

const DEADLINE_MS = 10 * 60_000;

const {values: args} = parseArgs({
  options: {
    rounds: {type: 'string', default: '5'},
    ms: {type: 'string', default: '1000'},
    only: {type: 'string', multiple: true},
    install: {type: 'boolean', default: false},
    json: {type: 'string'},
  },
});

const overdue = setTimeout(() => {
  console.error('the benchmark takes too long');
  process.exit(1);
}, DEADLINE_MS).unref();
if (args.install) process.env['MCPX_TEST_INSTALL'] = '1';
const missing = missingEtcd();
if (missing !== undefined) throw new Error(missing);
installH2load();
const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const scratch = await mkdtemp(path.join(tmpdir(), 'mcpx-bench-'));
try {
  const surroundings = {
    program: await builtProgram(root),
    programs: await Programs.build(root, scratch),
    scratch,
    rounds: Number(args.rounds),
    ms: Number(args.ms),
  };
  const rows: Row[] = [];
  const parts = {
    wire: wireRows,
    watchers: watcherRows,
    failover: failoverRows,
    log: logRows,
    keys: keyRows,
  };
  for (const [name, measure] of Object.entries(parts))
    if (args.only === undefined || args.only.includes(name)) rows.push(...(await measure(surroundings)));
  console.log(tableOf(rows));
  console.log(reasonsOf(rows));
  if (args.json !== undefined)
    await writeFile(args.json, `${JSON.stringify({figures: rows.map(row => row.figure)}, null, 2)}\n`);
  process.exitCode = rows.every(row => row.figure.ok) ? 0 : 1;
} finally {
  clearTimeout(overdue);
  await rm(scratch, {recursive: true, force: true});
}
