/** Processes by way of ps(1), for macOS and the BSDs; Linux reads /proc in processTable.ts. */
import {execFileSync} from 'node:child_process';
import {type ProcessIdentity, type ProcessRow, type ProcessTable, signalChecked} from './processTable.ts';

const LIMIT_BYTES = 64 * 1024 * 1024;
/** `lstart` is five words: Mon Nov 22 10:14:00 2026. */
const ROW = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s*$/;

export class PsTable implements ProcessTable {
  /** Start times here are wall times, so a restart of the machine needs no mark of its own. */
  readonly boot = '';

  rows(): ProcessRow[] {
    return parsePs(ps(['-ax', '-o', 'pid=,ppid=,pgid=,stat=,lstart=']));
  }

  row(pid: number): ProcessRow | undefined {
    return parsePs(ps(['-p', String(pid), '-o', 'pid=,ppid=,pgid=,stat=,lstart=']))[0];
  }

  marked(entries: readonly string[]): number[] {
    const pids: number[] = [];
    for (const line of ps(['-axEww', '-o', 'pid=,command=']).split('\n')) {
      const words = ` ${line} `;
      if (entries.every(entry => words.includes(` ${entry} `))) pids.push(Number.parseInt(line, 10));
    }
    return pids.filter(pid => Number.isInteger(pid));
  }

  signal(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
    return signalChecked(this, target, signal);
  }
}

export function parsePs(text: string): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const line of text.split('\n')) {
    const match = ROW.exec(line);
    if (!match) continue;
    const [, pid, ppid, pgid, stat, startedAt] = match;
    rows.push({
      pid: Number(pid),
      ppid: Number(ppid),
      pgid: Number(pgid),
      sid: 0,
      zombie: stat?.startsWith('Z') ?? false,
      startedAt: (startedAt ?? '').replace(/\s+/g, ' '),
    });
  }
  return rows;
}

/** ps exits with 1 when no process matched: an empty answer, not a fault. */
function ps(args: readonly string[]): string {
  try {
    return execFileSync('ps', args, {
      encoding: 'utf8',
      maxBuffer: LIMIT_BYTES,
      env: {PATH: '/usr/bin:/bin', LC_ALL: 'C'},
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (error) {
    if (error instanceof Error && 'status' in error && error.status === 1) return '';
    throw error;
  }
}
