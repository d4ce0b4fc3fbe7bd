/** A small cluster that scripts move step by step: every message waits until the script has it delivered. The commands are in scripts.test.ts. */
import assert from 'node:assert/strict';
import {initialConfiguration} from '../../coordinator/raft/configuration.ts';
import type {Message} from '../../coordinator/raft/messages.ts';
import type {RaftNode} from '../../coordinator/raft/raftNode.ts';
import type {RaftConfig} from '../../coordinator/raft/types.ts';
import type {Random} from '../../coordinator/runtime/random.ts';
import {Host, type Snapshot} from './host.ts';
import {entriesText, hardStateText, markText, messageText} from './messageText.ts';

interface Mail {
  readonly message: Message;
  readonly snapshot?: Snapshot;
}

/** Each node's timeout is longer than that of the one before; names of reads count the starts of their node. */
function scriptRandom(id: string, position: number): Random {
  let starts = 0;
  return {
    next: () => (position * 2) / 10,
    hex() {
      starts += 1;
      return `${id}${starts}`;
    },
  };
}

export class ScriptCluster {
  readonly hosts = new Map<string, Host>();
  private mail: Mail[] = [];
  private readonly cut = new Set<string>();

  constructor(
    voters: readonly string[],
    learners: readonly string[],
    spares: readonly string[],
    settings: Omit<RaftConfig, 'id' | 'start'>,
  ) {
    const first = initialConfiguration(voters, learners);
    for (const [position, id] of [...voters, ...learners, ...spares].entries()) {
      const configuration = spares.includes(id) ? undefined : first;
      const host = new Host(id, configuration, {...settings, random: scriptRandom(id, position)});
      host.start();
      this.hosts.set(id, host);
    }
  }

  host(id: string): Host {
    const host = this.hosts.get(id);
    assert.ok(host, `there is no ${id}`);
    return host;
  }

  node(id: string): RaftNode {
    const {node} = this.host(id);
    assert.ok(node, `${id} is down`);
    return node;
  }

  setCut(from: string, to: string): void {
    this.cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.cut.clear();
  }

  /** Hands out what there is to do, and says what. */
  ready(id: string): string[] {
    const host = this.host(id);
    const before = host.write;
    const messages = host.take();
    const lines: string[] = [];
    const {write, applying} = host;
    if (write && write !== before) {
      if (write.snapshot) lines.push(`write snapshot ${markText(write.snapshot)}`);
      if (write.hardState) lines.push(`write ${hardStateText(write.hardState)}`);
      if (write.entries.length > 0) lines.push(`write ${entriesText(write.entries)}`);
    }
    for (const message of messages) lines.push(`send ${messageText(message)}`);
    if (applying && applying.length > 0) lines.push(`apply ${entriesText(applying)}`);
    for (const read of host.reads.splice(0))
      lines.push(
        read.kind === 'ready' ? `read ${read.context} at ${read.index}` : `read ${read.context} dropped`,
      );
    for (const message of messages) this.mail.push({message});
    for (const {to, index} of host.requests.splice(0)) {
      lines.push(`snapshot for ${to} from ${index} on`);
      const message = host.node?.snapshotMessage(to, host.snapshot.mark);
      if (message) this.mail.push({message, snapshot: host.snapshot});
    }
    return lines;
  }

  persist(id: string): void {
    this.host(id).finishWrite();
  }

  apply(id: string): void {
    this.host(id).finishApply(() => undefined);
  }

  /** Delivers what waits for `to`; what was cut is lost. */
  deliver(to: string, most = Number.POSITIVE_INFINITY): string[] {
    const due = this.mail.filter(({message}) => message.to === to).slice(0, most);
    this.mail = this.mail.filter(mail => !due.includes(mail));
    return due.map(({message, snapshot}) => {
      const lost = this.cut.has(`${message.from}>${message.to}`) || !this.host(to).node;
      if (!lost) this.host(to).receive(message, snapshot);
      if (snapshot) this.host(message.from).node?.reportSnapshot(message.to, lost ? 'failed' : 'delivered');
      return `${lost ? 'lost: ' : ''}${messageText(message)}`;
    });
  }

  drop(to: string): string[] {
    const due = this.mail.filter(({message}) => message.to === to);
    this.mail = this.mail.filter(mail => !due.includes(mail));
    for (const {message, snapshot} of due)
      if (snapshot) this.host(message.from).node?.reportSnapshot(message.to, 'failed');
    return due.map(({message}) => messageText(message));
  }

  /** Carries out everything among `ids` until nothing is left to do. */
  settle(ids: readonly string[]): string[] {
    const lines: string[] = [];
    for (let busy = true, turns = 0; busy; turns++) {
      assert.ok(turns < 200, 'the cluster does not come to rest');
      const before = lines.length;
      busy = false;
      for (const id of ids) {
        const host = this.host(id);
        lines.push(...this.deliver(id));
        while (host.node?.hasReady || host.write || host.applying) {
          busy = true;
          for (const line of this.ready(id)) if (!line.startsWith('send')) lines.push(`${id}: ${line}`);
          if (host.write) this.persist(id);
          if (host.applying) this.apply(id);
        }
      }
      busy ||= lines.length > before;
    }
    return lines;
  }
}
