/** What `mcpx run` was told on the command line. */

export interface RunOptions {
  readonly agents?: number;
  readonly slots: number;
  readonly connect?: string;
  readonly token?: string;
  readonly caPin?: string;
  /** Files of MCP servers. */
  readonly servers?: readonly string[];
  readonly json: boolean;
  readonly junit?: string;
  readonly keep: boolean;
  /** False: every task is done. */
  readonly cache: boolean;
  readonly rehearse: boolean;
  readonly isolated: boolean;
  readonly here: boolean;
  readonly uncommitted: boolean;
  readonly verbose: boolean;
  readonly background: boolean;
  /** The prompt of a plan of one task. */
  readonly goalTask?: string;
  /** A plan that belongs to the current folder, wherever its text comes from. */
  readonly tasksFrom?: string;
}
