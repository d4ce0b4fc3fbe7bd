/** What a leader concludes from answers and from silence: what is committed (§5.3, §5.4.2), and whether it still leads (§6.2 of the dissertation). */
import {commitReads, confirmReads} from './leaderReads.ts';
import type {Leadership} from './leadership.ts';
import type {AppendReply, HeartbeatReply} from './messages.ts';
import {hasQuorum, jointIndex} from './quorum.ts';
import type {RaftCore} from './raftCore.ts';
import {entryBytes} from './raftLog.ts';
import {sendHeartbeats} from './replication.ts';
import {giveUpTransfer, handOver, tellTransferee} from './transfer.ts';

export function handleAppendReply(core: RaftCore, leading: Leadership, message: AppendReply): void {
  const progress = leading.progress.get(message.from);
  if (!progress) return;
  progress.active = true;
  if (message.accepted) {
    const news = progress.accepted(message.index, core.log.firstIndex);
    if (news) commit(core, leading);
    tellTransferee(core, leading);
  } else {
    const hint = core.log.lastOfTerm(message.index, message.hintTerm);
    progress.refused(message.previousIndex, hint);
  }
}

export function handleHeartbeatReply(core: RaftCore, leading: Leadership, message: HeartbeatReply): void {
  const progress = leading.progress.get(message.from);
  if (!progress) return;
  progress.heard(core.log.lastIndex);
  if (message.round <= progress.round) return;
  progress.round = message.round;
  confirmReads(core, leading);
}

/** Only an entry of the leader's own term commits by counting (§5.4.2, figure 8). */
export function commit(core: RaftCore, leading: Leadership): void {
  const {log, id, configuration} = core;
  const before = log.committed;
  const index = jointIndex(configuration, voter =>
    voter === id ? log.stable : (leading.progress.get(voter)?.match ?? 0),
  );
  if (index <= before || log.term(index) !== core.term) return;
  log.commitTo(index);
  for (let at = before + 1; at <= index; at++) {
    const entry = log.at(at);
    if (entry) leading.uncommittedBytes -= entryBytes(entry);
  }
  commitReads(core, leading);
}

export function tickLeader(core: RaftCore, leading: Leadership): void {
  const {limits} = core;
  leading.ticks += 1;
  leading.sinceHeartbeat += 1;
  leading.sinceQuorum += 1;
  giveUpTransfer(core, leading);
  if (leading.sinceQuorum >= limits.electionTicks) {
    leading.sinceQuorum = 0;
    if (!heardQuorum(core, leading)) {
      core.follow(undefined);
      return;
    }
    handOver(core, leading);
    for (const progress of leading.progress.values()) progress.active = false;
  }
  if (leading.sinceHeartbeat >= limits.heartbeatTicks) sendHeartbeats(core, leading);
}

/** A leader that nobody hears must not keep those from an election whom its own messages still reach. */
function heardQuorum(core: RaftCore, leading: Leadership): boolean {
  return hasQuorum(core.configuration, id => id === core.id || leading.progress.get(id)?.active === true);
}
