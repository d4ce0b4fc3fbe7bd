/** The operating system's processes as rows: reading them and signalling exactly the one that was meant. Which of them belong to an attempt is processTree.ts. */
import {systemErrorCode} from '../../runtime/errors.ts';

/** A pid alone may be recycled; together with its start time it names one process for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process however often it is read. */
  readonly startedAt: string;
}

export interface ProcessRow extends ProcessIdentity {
  readonly ppid: number;
  readonly pgid: number;
  /** 0 where the system does not tell. */
  readonly sid: number;
  /** Dead, not yet reaped by its parent: nothing can be done to it and it does nothing. */
  readonly zombie: boolean;
}

export interface ProcessTable {
  /** Differs between two starts of the machine, after which no recorded process can be alive. */
  readonly boot: string;
  rows(): ProcessRow[];
  row(pid: number): ProcessRow | undefined;
  /** Pids whose environment holds every one of these `NAME=value` entries; those we may not read are left out. */
  marked(entries: readonly string[]): number[];
  /** Signals the process unless it is gone or its pid belongs to another one by now. */
  signal(process: ProcessIdentity, signal: NodeJS.Signals): boolean;
}

/** `true` when the signal was delivered to exactly that process. */
export function signalChecked(
  table: Pick<ProcessTable, 'row'>,
  target: ProcessIdentity,
  signal: NodeJS.Signals,
): boolean {
  const row = table.row(target.pid);
  if (!row || row.zombie || row.startedAt !== target.startedAt) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH' || systemErrorCode(error) === 'EPERM') return false;
    throw error;
  }
}
