/** CPU of a process and of all that it has started, from what Linux tells. */
import {readdir, readFile} from 'node:fs/promises';

/** Linux counts CPU time in these. */
const TICK_MS = 10;

interface Entry {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
}

/** User and system, in ms, of those that live. NaN where the system does not tell. */
export async function treeCpuMs(root: number | undefined): Promise<number> {
  const entries = await allProcesses();
  let total = Number.NaN;
  const wanted = [root];
  for (const pid of wanted) {
    for (const entry of entries) {
      if (entry.pid === pid) total = (Number.isNaN(total) ? 0 : total) + entry.cpuMs;
      if (entry.parent === pid) wanted.push(entry.pid);
    }
  }
  return total;
}

async function allProcesses(): Promise<Entry[]> {
  const names = await readdir('/proc').catch(() => []);
  const read = names
    .filter(name => /^\d+$/.test(name))
    .map(async name => {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => undefined);
      if (stat === undefined) return [];
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [
        {
          pid: Number(name),
          parent: Number(fields[1]),
          cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
        },
      ];
    });
  return (await Promise.all(read)).flat();
}
