/** Linux's processes by way of /proc, a few microseconds each. */
import {readdirSync, readFileSync} from 'node:fs';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import {type ProcessIdentity, type ProcessRow, type ProcessTable, signalChecked} from './processTable.ts';

export class ProcTable implements ProcessTable {
  readonly boot: string;

  constructor(private readonly root = '/proc') {
    this.boot = (readText(`${root}/sys/kernel/random/boot_id`) ?? '').trim();
  }

  rows(): ProcessRow[] {
    const rows: ProcessRow[] = [];
    for (const pid of this.pids()) {
      const row = this.row(pid);
      if (row) rows.push(row);
    }
    return rows;
  }

  row(pid: number): ProcessRow | undefined {
    const stat = readText(`${this.root}/${pid}/stat`);
    if (stat === undefined) return undefined;
    // The name is in parentheses and may itself hold spaces and parentheses: fields are counted from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, ppid, pgid, sid] = fields;
    const startedAt = fields[19];
    if (!state || startedAt === undefined) return undefined;
    return {
      pid,
      startedAt,
      ppid: Number(ppid),
      pgid: Number(pgid),
      sid: Number(sid),
      zombie: state === 'Z' || state === 'X',
    };
  }

  marked(entries: readonly string[]): number[] {
    const needles = entries.map(entry => `\0${entry}\0`);
    return this.pids().filter(pid => {
      const environ = readText(`${this.root}/${pid}/environ`);
      if (!environ) return false;
      const text = `\0${environ}\0`;
      return needles.every(needle => text.includes(needle));
    });
  }

  signal(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
    return signalChecked(this, target, signal);
  }

  private pids(): number[] {
    return readdirSync(this.root)
      .filter(name => name.charCodeAt(0) >= 48 && name.charCodeAt(0) <= 57)
      .map(Number);
  }
}

/** The whole file, or undefined when the process ended meanwhile or belongs to someone else. */
function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw new CoordinatorError('internal', `cannot read ${file}`, {cause: error});
  }
}
