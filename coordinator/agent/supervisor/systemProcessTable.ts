/** The process table that fits this operating system. */
import type {ProcessTable} from './processTable.ts';
import {ProcTable} from './procTable.ts';
import {PsTable} from './psTable.ts';

export function systemProcessTable(): ProcessTable {
  return process.platform === 'linux' ? new ProcTable() : new PsTable();
}
