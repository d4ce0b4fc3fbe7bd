/** What an agent says of the worktrees that it keeps: each measured once and not too often, and what went at once. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {KeptReports} from '../../coordinator/agent/keptReports.ts';
import {diskUsage} from '../../coordinator/agent/workspace/diskUsage.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {KeptWorktrees} from '../../coordinator/protocol/model/agent.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import {eventually} from '../fixtures/eventually.ts';

describe('kept worktrees', () => {
  let folder: string;
  let clock: ManualClock;
  let changed: Emitter<void>;
  let reports: KeptReports;
  const kept = new Map<string, {sessionId: string; taskId: string; attemptId: string; path: string}>();
  const told: KeptWorktrees[] = [];

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'mcpx-kept-'));
    clock = new ManualClock();
    changed = new Emitter();
    kept.clear();
    told.length = 0;
    reports = new KeptReports({
      ...{agentId: 'a-1', incarnation: 'run-1', clock, logger: silentLogger, measureMs: 60_000},
      workspaces: {kept: () => Promise.resolve([...kept.values()]), onKept: changed.event},
      link: {
        deliver: (_method, params) => {
          told.push((params as {kept: KeptWorktrees}).kept);
          return Promise.resolve({} as never);
        },
      },
    });
  });
  afterEach(() => {
    reports.dispose();
    rmSync(folder, {recursive: true});
  });

  function keep(sessionId: string, taskId: string, bytes: number): void {
    const attemptId = `${sessionId}.${taskId}.1`;
    const worktree = path.join(folder, attemptId, 'worktree');
    mkdirSync(worktree, {recursive: true});
    writeFileSync(path.join(worktree, 'file'), Buffer.alloc(bytes, 1));
    kept.set(attemptId, {sessionId, taskId, attemptId, path: worktree});
    changed.emit();
  }
  function discard(attemptId: string): void {
    kept.delete(attemptId);
    changed.emit();
  }
  const sums = () => told.map(all => all.map(({sessionId, attempts}) => `${sessionId} ${attempts}`).join());
  const says = (...expected: string[]) => eventually(async () => assert.deepEqual(sums(), expected));

  it('are told by session, new ones once a minute, those that went at once', async () => {
    reports.registered();
    await says('');
    keep('s-1', 'a', 100_000);
    await says('', 's-1 1');
    keep('s-1', 'b', 100_000);
    keep('s-2', 'a', 300_000);
    clock.advance(59_000);
    discard('s-1.a.1');
    await says('', 's-1 1', '');
    clock.advance(1000);
    await says('', 's-1 1', '', 's-2 1,s-1 1');
    const [largest, other] = told.at(-1) ?? [];
    assert.ok((largest?.bytes ?? 0) >= 300_000 && (other?.bytes ?? 0) >= 100_000);
    changed.emit();
    discard('s-2.a.1');
    await says('', 's-1 1', '', 's-2 1,s-1 1', 's-1 1');
    reports.registered();
    await says('', 's-1 1', '', 's-2 1,s-1 1', 's-1 1', 's-1 1');
  });

  it('are measured without following links', async () => {
    const [inside, outside] = [path.join(folder, 'inside'), path.join(folder, 'outside')];
    for (const each of [inside, outside]) mkdirSync(path.join(each, 'deep'), {recursive: true});
    writeFileSync(path.join(outside, 'large'), Buffer.alloc(1_000_000, 1));
    writeFileSync(path.join(inside, 'deep', 'small'), Buffer.alloc(10_000, 1));
    symlinkSync(outside, path.join(inside, 'link'));
    const bytes = await diskUsage(inside, new AbortController().signal);
    assert.ok(bytes >= 10_000 && bytes < 100_000, `${bytes} bytes`);
    assert.equal(await diskUsage(path.join(folder, 'nonesuch'), new AbortController().signal), 0);
  });
});
