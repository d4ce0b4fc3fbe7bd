/** Membership in a process tree, by cases and against a simulated system in which every process's true origin is known. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type {ProcessRow} from '../../../coordinator/agent/supervisor/processTable.ts';
import {ProcessTree} from '../../../coordinator/agent/supervisor/processTree.ts';
import {parsePs} from '../../../coordinator/agent/supervisor/psTable.ts';

const row = (pid: number, ppid: number, pgid: number, more: Partial<ProcessRow> = {}): ProcessRow => ({
  pid,
  ppid,
  pgid,
  sid: pgid,
  zombie: false,
  startedAt: `t${pid}`,
  ...more,
});
const pids = (rows: readonly ProcessRow[]): number[] => rows.map(member => member.pid).sort((a, b) => a - b);

describe('process tree', () => {
  const ROOT = row(10, 5, 10);
  const AGENT = row(5, 1, 5);

  function treeOf(): ProcessTree {
    const tree = new ProcessTree(new Set([5]));
    tree.adopt(ROOT);
    return tree;
  }

  it('has the descendants of its root, at any depth and in any order of rows', () => {
    assert.deepEqual(
      pids(treeOf().update([row(12, 11, 12), row(11, 10, 10), AGENT, ROOT, row(20, 5, 20)])),
      [10, 11, 12],
    );
  });

  it('keeps members whose parents died, also in sessions of their own', () => {
    const tree = treeOf();
    tree.update([AGENT, ROOT, row(11, 10, 11), row(12, 11, 11)]);
    assert.deepEqual(pids(tree.update([AGENT, row(12, 1, 11)])), [12]);
    assert.deepEqual(pids(tree.update([AGENT, row(12, 1, 11), row(13, 12, 13)])), [12, 13]);
  });

  it('finds what was born in its group after the leader died', () => {
    const tree = treeOf();
    tree.update([AGENT, ROOT]);
    assert.deepEqual(pids(tree.update([AGENT, row(30, 1, 10)])), [30]);
  });

  it('does not take a recycled pid for a member', () => {
    const tree = treeOf();
    tree.update([AGENT, ROOT, row(11, 10, 11)]);
    const stranger = row(11, 1, 11, {startedAt: 'later'});
    assert.deepEqual(pids(tree.update([AGENT, ROOT, stranger, row(40, 11, 11)])), [10]);
  });

  it('does not take the group of a recycled leader for its own', () => {
    const tree = treeOf();
    tree.update([AGENT, ROOT]);
    assert.deepEqual(pids(tree.update([AGENT, row(10, 1, 10, {startedAt: 'later'}), row(41, 10, 10)])), []);
  });

  it("never takes in the agent's own group", () => {
    const tree = new ProcessTree(new Set([5]));
    tree.adopt(row(10, 5, 5));
    assert.deepEqual(pids(tree.update([AGENT, row(10, 5, 5), row(6, 5, 5), row(11, 10, 5)])), [10, 11]);
  });

  it('leaves zombies out, but not their children', () => {
    const tree = treeOf();
    assert.deepEqual(pids(tree.update([AGENT, row(10, 5, 10, {zombie: true}), row(11, 10, 11)])), [11]);
  });

  it('loses nobody and takes in no stranger while processes fork, leave sessions and die', () => {
    const step = fc.record({
      act: fc.constantFrom('fork' as const, 'forkSession' as const, 'exit' as const, 'stranger' as const),
      who: fc.nat(),
    });
    void fc.assert(
      fc.property(fc.array(step, {maxLength: 60}), steps => {
        const tree = treeOf();
        let rows: (ProcessRow & {ours: boolean})[] = [
          {...AGENT, ours: false},
          {...ROOT, ours: true},
        ];
        let next = 100;
        for (const {act, who} of steps) {
          const target = rows[who % rows.length];
          if (!target) continue;
          if (act === 'exit') {
            if (target.pid === 5) continue;
            rows = rows
              .filter(one => one !== target)
              .map(one => (one.ppid === target.pid ? {...one, ppid: 1} : one));
          } else {
            const parent = act === 'stranger' ? {pid: 1, pgid: next, sid: next, ours: false} : target;
            const pid = next++;
            // The agent's children are attempts of their own only by being adopted.
            const ours = parent.pid !== 5 && parent.ours;
            const own = act !== 'fork' || parent.pid === 5;
            rows.push({...row(pid, parent.pid, own ? pid : parent.pgid), sid: own ? pid : parent.sid, ours});
          }
          const members = tree.update(rows);
          assert.deepEqual(pids(members), pids(rows.filter(one => one.ours)));
        }
      }),
    );
  });
});

describe('ps', () => {
  it('is read with its start times', () => {
    const text = [
      '    1     0     1 Ss   Mon Nov  2 10:14:05 2026    ',
      '  431     1   431 Z+   Sun Nov 22 09:00:00 2026    ',
      'garbage',
    ].join('\n');
    assert.deepEqual(parsePs(text), [
      {pid: 1, ppid: 0, pgid: 1, sid: 0, zombie: false, startedAt: 'Mon Nov 2 10:14:05 2026'},
      {pid: 431, ppid: 1, pgid: 431, sid: 0, zombie: true, startedAt: 'Sun Nov 22 09:00:00 2026'},
    ]);
  });
});
