/** The supervisor process: outlives its agent just long enough to end every process of the agent's attempts. It decides nothing else. */
import {createInterface} from 'node:readline';
import type {Readable, Writable} from 'node:stream';
import {type Clock, every} from '../../runtime/clock.ts';
import {killTree, type PoliteEnd} from './killTree.ts';
import {attemptMarkers, runMarker} from './markers.ts';
import {encodeLine, type FromSupervisor, ToSupervisor} from './pipeMessages.ts';
import type {ProcessIdentity, ProcessTable} from './processTable.ts';
import {ProcessTree} from './processTree.ts';
import {systemProcessTable} from './systemProcessTable.ts';

/** The parts of `process` that the supervisor needs. */
export interface SupervisorHost {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly pid: number;
  on(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** A child that outlives its parent must have been seen before the parent goes: once a second is what a scan of /proc affords. */
const SCAN_PERIOD_MS = 1000;

/** Runs until the agent's end of the pipe closes and every attempt's processes are gone. The caller exits then. */
export async function runSupervisor(
  host: SupervisorHost,
  clock: Clock,
  table: ProcessTable = systemProcessTable(),
): Promise<void> {
  // A Ctrl-C or a service stop reaches the whole group. The supervisor's time comes after the agent's.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) host.on(signal, () => undefined);
  // The agent is gone when this fails, and stdin says so as well.
  host.stdout.on('error', () => undefined);
  const watch = new Watch(host, clock, table);
  try {
    for await (const line of createInterface({input: host.stdin})) watch.receive(line);
  } finally {
    await watch.finish();
  }
}

interface WatchedAttempt {
  readonly roots: ProcessIdentity[];
  readonly tree: ProcessTree;
  reported: string;
}

class Watch {
  private readonly attempts = new Map<string, WatchedAttempt>();
  private readonly spared: Set<number>;
  private readonly scanning;
  private agentRun: string | undefined;
  private foreignGroups = new Set<number>();

  constructor(
    private readonly host: SupervisorHost,
    private readonly clock: Clock,
    private readonly table: ProcessTable,
  ) {
    this.spared = new Set([0, 1, host.pid]);
    this.scanning = every(clock, SCAN_PERIOD_MS, () => this.scan());
  }

  receive(line: string): void {
    const message = ToSupervisor.parse(JSON.parse(line));
    switch (message.kind) {
      case 'hello':
        this.agentRun = message.agentRun;
        this.spared.add(message.agentPid);
        this.foreignGroups = this.ownGroups();
        this.send({kind: 'ready'});
        break;
      case 'track':
        this.track(message.attemptId, message.root, message.members ?? []);
        break;
      case 'kill':
        void this.kill(message.attemptId, message.polite).then(survivors =>
          this.send({kind: 'killed', requestId: message.requestId, survivors}),
        );
        break;
      case 'forget':
        this.attempts.delete(message.attemptId);
        break;
    }
  }

  /** The agent is gone. Its attempts' fences will fall, so nothing of them may go on; there is no grace. */
  async finish(): Promise<void> {
    this.scanning.dispose();
    const kills = [...this.attempts.keys()].map(attemptId => this.kill(attemptId));
    // Also what was started but never reached us: the agent died between the two.
    if (this.agentRun !== undefined) {
      const tree = new ProcessTree(this.foreignGroups);
      kills.push(killTree(this.context, {tree, roots: [], markers: [runMarker(this.agentRun)]}));
    }
    await Promise.all(kills);
  }

  private get context() {
    return {table: this.table, clock: this.clock, spared: this.spared};
  }

  private track(attemptId: string, root: ProcessIdentity, members: readonly ProcessIdentity[]): void {
    const attempt = this.attempt(attemptId);
    attempt.roots.push(root);
    for (const member of [root, ...members]) attempt.tree.adopt(member);
  }

  private attempt(attemptId: string): WatchedAttempt {
    let attempt = this.attempts.get(attemptId);
    if (!attempt) {
      attempt = {roots: [], tree: new ProcessTree(this.foreignGroups), reported: ''};
      this.attempts.set(attemptId, attempt);
    }
    return attempt;
  }

  private kill(attemptId: string, polite?: PoliteEnd): Promise<ProcessIdentity[]> {
    const {roots, tree} = this.attempt(attemptId);
    const markers = this.agentRun === undefined ? [] : attemptMarkers(this.agentRun, attemptId);
    return killTree(this.context, {roots, tree, markers}, polite);
  }

  private scan(): void {
    if (this.attempts.size === 0) return;
    const rows = this.table.rows().filter(row => !this.spared.has(row.pid));
    for (const [attemptId, attempt] of this.attempts) {
      attempt.tree.update(rows);
      const members = attempt.tree.identities;
      const summary = members.map(member => member.pid).join();
      if (summary === attempt.reported) continue;
      attempt.reported = summary;
      this.send({kind: 'members', attemptId, members});
    }
  }

  private ownGroups(): Set<number> {
    const groups = new Set<number>();
    for (const pid of this.spared) {
      const row = this.table.row(pid);
      if (row) groups.add(row.pgid).add(row.sid);
    }
    return groups;
  }

  private send(message: FromSupervisor): void {
    this.host.stdout.write(encodeLine(message));
  }
}
