/**
 * Scripts for each mechanism of Raft: commands, `----`, and what they do to a small cluster. `UPDATE_GOLDEN=1` writes the outputs anew.
 *
 *   Election timeouts are 10 ticks for the first node, 12 for the second, 14 for the third and so on.
 *
 *   cluster voters=a,b,c [learners=d] [spares=e] [maxInFlight=2 ...]   starts one; further words set numbers of RaftConfig; `leaseReads` and
 *                                 `lazyCommits` are others
 *   campaign ID | tick ID [N] | propose ID WORD... | read ID | transfer ID TO | change ID +voter ~learner -gone ... | unreachable ID TO | gone ID FROM
 *   ready ID                      hands out what there is to do: writes, messages (which then wait for delivery), entries to apply, reads
 *   persist ID | fail ID | apply ID        ends the write or the application that is going on
 *   deliver ID [N] | drop ID      what waits for the node, or the first N messages of it, arrives; or is lost
 *   settle [ID...]                carries out everything among these nodes, or all, until there is nothing to do; `quietly` keeps it to itself
 *   cut FROM TO | heal | crash ID [written=N] | start ID | compact ID
 *   status [ID...] | progress ID | settled ID
 */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import type {MembershipChange, RaftConfig} from '../../coordinator/raft/types.ts';
import {assertGolden} from '../golden.ts';
import {configurationText, progressText, proposeText, statusText} from './messageText.ts';
import {ScriptCluster} from './scriptCluster.ts';

const FOLDER = path.join(import.meta.dirname, '../testdata/raft');
const ACTIONS: Readonly<Record<string, MembershipChange['action']>> = {
  '+': 'addVoter',
  '~': 'addLearner',
  '-': 'remove',
};

type Run = (cluster: ScriptCluster, id: string, rest: readonly string[]) => readonly string[];

const COMMANDS: Readonly<Record<string, Run>> = {
  campaign: (cluster, id) => {
    const outcome = cluster.node(id).campaign();
    return outcome.kind === 'refused' ? [`refused: ${outcome.reason}`] : [];
  },
  tick: (cluster, id, [times = '1']) => {
    for (let n = 0; n < Number(times); n++) cluster.node(id).tick();
    return [];
  },
  propose: (cluster, id, words) =>
    words.map(word => proposeText(cluster.node(id).propose(Buffer.from(word)))),
  read: (cluster, id) => {
    const outcome = cluster.node(id).read();
    return [outcome.kind === 'pending' ? `pending ${outcome.context}` : `dropped: ${outcome.reason}`];
  },
  transfer: (cluster, id, [to = '']) => {
    const outcome = cluster.node(id).transfer(to);
    return outcome.kind === 'refused' ? [`refused: ${outcome.reason}`] : [];
  },
  change: (cluster, id, words) => {
    const changes = words.map(word => {
      const action = ACTIONS[word.charAt(0)];
      assert.ok(action, `${word} begins with +, ~ or -`);
      return {action, node: word.slice(1)};
    });
    const outcome = cluster.node(id).changeMembership(changes);
    return outcome.kind === 'refused'
      ? [`refused: ${outcome.reason}`]
      : [`proposed ${outcome.index}/${outcome.term} (${configurationText(outcome.configuration)})`];
  },
  unreachable: (cluster, id, [to = '']) => {
    cluster.node(id).reportUnreachable(to);
    return [];
  },
  gone: (cluster, id, [from = '']) => {
    cluster.node(id).reportGone(from);
    return [];
  },
  ready: (cluster, id) => cluster.ready(id),
  persist: (cluster, id) => {
    if (!cluster.host(id).write) return ['nothing is being written'];
    cluster.persist(id);
    return [];
  },
  fail: (cluster, id) => {
    cluster.host(id).failWrite();
    return [];
  },
  apply: (cluster, id) => {
    if (!cluster.host(id).applying) return ['nothing is being applied'];
    cluster.apply(id);
    return [];
  },
  deliver: (cluster, id, [most]) => cluster.deliver(id, most === undefined ? undefined : Number(most)),
  drop: (cluster, id) => cluster.drop(id),
  cut: (cluster, id, [to = '']) => {
    cluster.setCut(id, to);
    return [];
  },
  heal: cluster => {
    cluster.heal();
    return [];
  },
  crash: (cluster, id, [written]) => {
    cluster.host(id).crash(written === undefined ? -1 : Number(written.replace('written=', '')));
    return [];
  },
  start: (cluster, id) => {
    cluster.host(id).start();
    return [];
  },
  compact: (cluster, id) => {
    cluster.host(id).compact();
    return [];
  },
  progress: (cluster, id) => progressText(cluster.node(id).status()),
  settled: (cluster, id) => [cluster.node(id).status().settled ? 'yes' : 'no'],
};

function start(words: readonly string[]): ScriptCluster {
  const given = new Map(words.map(word => word.split('=')).map(([name = '', value = '']) => [name, value]));
  const names = (field: string): string[] => given.get(field)?.split(',') ?? [];
  const settings: Record<string, number | boolean> = {};
  for (const [name, value] of given)
    if (name === 'leaseReads' || name === 'lazyCommits') settings[name] = true;
    else if (/^\d+$/.test(value)) settings[name] = Number(value);
  const limits: Omit<RaftConfig, 'id' | 'start'> = settings;
  return new ScriptCluster(names('voters'), names('learners'), names('spares'), limits);
}

function runScript(text: string): string {
  const blocks = text
    .split(/\n{2,}/)
    .map(block => block.trim())
    .filter(block => block !== '');
  let cluster: ScriptCluster | undefined;
  const out: string[] = [];
  for (const block of blocks) {
    const input = block.split('\n----')[0]?.split('\n') ?? [];
    const commands = input.filter(line => line !== '' && !line.startsWith('#'));
    if (commands.length === 0) {
      out.push(input.join('\n').trimEnd());
      continue;
    }
    const results: string[] = [];
    for (const command of commands) {
      const [verb = '', ...words] = command.split(/\s+/);
      if (verb === 'cluster') cluster = start(words);
      else {
        assert.ok(cluster, 'a script begins with cluster');
        results.push(...runCommand(cluster, verb, words));
      }
    }
    out.push([...input, '----', ...(results.length > 0 ? results : ['ok'])].join('\n').trimEnd());
  }
  return `${out.join('\n\n')}\n`;
}

function runCommand(cluster: ScriptCluster, verb: string, words: readonly string[]): readonly string[] {
  const all = [...cluster.hosts.keys()];
  if (verb === 'settle') {
    const named = words.filter(word => word !== 'quietly');
    const lines = cluster.settle(named.length > 0 ? named : all);
    return words.includes('quietly') ? [] : lines;
  }
  if (verb === 'status')
    return (words.length > 0 ? words : all).map(id => {
      const {node} = cluster.host(id);
      return node ? statusText(node.status()) : `${id} down`;
    });
  const run = COMMANDS[verb];
  assert.ok(run, `unknown command ${verb}`);
  const [id = '', ...rest] = words;
  return run(cluster, id, rest);
}

describe('raft scripts', () => {
  for (const name of readdirSync(FOLDER).filter(file => file.endsWith('.txt')))
    it(name.replace('.txt', ''), () => {
      const file = path.join(FOLDER, name);
      const text = readFileSync(file, 'utf8');
      assert.match(text, /^# .*§\d/, 'a script says first which section it checks');
      assertGolden(file, runScript(text));
    });
});
