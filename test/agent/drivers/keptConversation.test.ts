/** A conversation of the unmodified Claude Code that is kept and taken up elsewhere. Each trap of the Agent SDK that was met has a test that falls into it. */
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import path from 'node:path';
import {query} from '@anthropic-ai/claude-agent-sdk';
import {Ledger, type LedgerLine} from '../../../coordinator/agent/checkpoint/ledger.ts';
import {movedEntry} from '../../../coordinator/agent/checkpoint/movedEntries.ts';
import {
  MAIN_FILE,
  resultsOf,
  type TranscriptEntry,
} from '../../../coordinator/agent/checkpoint/transcriptEntry.ts';
import type {ConversationKeeper} from '../../../coordinator/agent/driver.ts';
import type {ClaudeSdk} from '../../../coordinator/agent/drivers/claude/sdk.ts';
import {ClaudeStage, type StagedRun} from './claudeStage.ts';

type SdkOptions = NonNullable<Parameters<typeof query>[0]['options']>;

class Keeper implements ConversationKeeper {
  readonly lines: LedgerLine[] = [];
  readonly batches: string[][] = [];
  /** What the transcript held when each batch had ended and a moment had passed. */
  readonly held: boolean[] = [];
  private readonly ledger = new Ledger();

  constructor(readonly resume?: ConversationKeeper['resume']) {}

  added(file: string, entries: readonly TranscriptEntry[]): void {
    for (const entry of entries) {
      this.ledger.add(file, entry);
      this.lines.push({file, entry});
    }
  }

  async batchEnded(calls: readonly string[]): Promise<void> {
    this.batches.push([...calls]);
    for (let tries = 0; tries < 100 && !this.ledger.holds(calls); tries++)
      await new Promise(resolve => setTimeout(resolve, 50));
    this.held.push(this.ledger.holds(calls));
  }

  /** The conversation after so many tool calls, as it has to be in another worktree. */
  after(calls: number, from: string, to: string): LedgerLine[] {
    const ledger = new Ledger();
    const whole: LedgerLine[] = [];
    for (const {file, entry} of this.lines) {
      ledger.add(file, entry);
      if (ledger.isWhole) whole.push(...ledger.take());
      if (ledger.isWhole && ledger.calls >= calls && file === MAIN_FILE) break;
    }
    return whole.flatMap(({file, entry}) => {
      const moved = movedEntry(entry, [from], to);
      return moved ? [{file, entry: moved}] : [];
    });
  }
}

/** The SDK with some of its options changed, as they would be without our care. */
const careless =
  (change: (options: SdkOptions) => SdkOptions): (() => Promise<ClaudeSdk>) =>
  () =>
    Promise.resolve({query: ({prompt, options = {}}) => query({prompt, options: change(options)})});

describe('a kept conversation', function () {
  this.timeout(120_000);
  const stage = new ClaudeStage();
  before(() => stage.open());
  after(() => stage.close());

  const BEGUN = `
      - calls: [{tool: Write, input: {file_path: '{{worktree}}/note.txt', content: "one\\n"}}]
      - calls: [{tool: Bash, input: {command: echo two}}, {tool: Read, input: {file_path: '{{worktree}}/note.txt'}}]`;
  const IN_MID_TURN = `tasks:\n  t:\n    turns:${BEGUN}\n      - calls: [{tool: Bash, input: {command: sleep 614}}]\n`;
  const TO_ITS_END = `tasks:\n  t:\n    turns:${BEGUN}\n      - Done.\n      - Done again.\n`;

  const begin = async (
    script: string,
    keeper: Keeper,
    driver: {loadSdk?: () => Promise<ClaudeSdk>} = {},
  ): Promise<StagedRun> => {
    const server = await stage.play(script);
    const permissions = {mode: 'acceptEdits' as const, allow: ['Bash'], deny: []};
    return stage.start(server, {keeper, permissions}, {driver});
  };
  const killInMidTurn = async ({host, run}: StagedRun, seen: () => void): Promise<void> => {
    await host.when(event => event.kind === 'toolCall' && JSON.stringify(event.input).includes('sleep 614'));
    seen();
    await stage.supervisor.killTree(`attempt-${stage.count}`);
    await run.outcome;
  };

  it('is told while the turn goes on, each batch whole before the next request', async () => {
    const keeper = new Keeper();
    let kept = 0;
    await killInMidTurn(await begin(IN_MID_TURN, keeper), () => {
      kept = keeper.lines.flatMap(({entry}) => resultsOf(entry)).length;
    });
    assert.equal(kept, 3);
    assert.deepEqual(
      keeper.batches.slice(0, 2).map(batch => batch.length),
      [1, 2],
    );
    assert.deepEqual(keeper.held.slice(0, 2), [true, true]);
  });

  it('falls into the trap of the default flush without its care: it is batched, and a death in mid-turn leaves nothing', async () => {
    const keeper = new Keeper();
    const loadSdk = careless(({sessionStoreFlush: _, hooks: __, ...options}) => options);
    let kept = Number.NaN;
    await killInMidTurn(await begin(IN_MID_TURN, keeper, {loadSdk}), () => {
      kept = keeper.lines.length;
    });
    assert.equal(kept, 0);
  });

  describe('is taken up in another worktree with an empty configuration folder', () => {
    const resume = async (
      calls: number,
      driver: {loadSdk?: () => Promise<ClaudeSdk>} = {},
      script = TO_ITS_END,
    ) => {
      const keeper = new Keeper();
      const first = await begin(script, keeper);
      const ended = await first.outcome();
      assert.equal(ended.kind, 'succeeded');
      const server = await stage.play(script);
      const worktree = stage.worktree({'note.txt': 'one\n'});
      const next = new Keeper({
        conversation: first.host.session ?? '',
        lines: keeper.after(calls, first.worktree, worktree),
      });
      const permissions = {mode: 'acceptEdits' as const, allow: ['Bash'], deny: []};
      const second = stage.start(
        server,
        {keeper: next, permissions},
        {driver, prompt: 'Go on.', task: {worktree}},
      );
      return {first, second, server, worktree, outcome: await second.outcome(), keeper};
    };

    it('with what was said before, at its new paths', async () => {
      const {first, second, server, outcome, worktree} = await resume(3);
      assert.deepEqual(outcome, {kind: 'succeeded', summary: 'Done.'});
      assert.equal(second.host.session, first.host.session);
      const [request] = server.requests.filter(one => one.taskId === 't');
      const said = JSON.stringify(request?.body?.messages);
      assert.match(said, new RegExp(`${worktree}/note.txt`));
      assert.doesNotMatch(said, new RegExp(first.worktree));
      assert.match(said, /Go on\./);
      assert.equal(request?.step, 2);
    });

    it('and not without being written under the key of the new working directory: another one changes the project key', async () => {
      const loadSdk = careless(options => ({
        ...options,
        sessionStore: {append: () => Promise.resolve(), load: () => Promise.resolve(null)},
      }));
      const {outcome, second, first} = await resume(3, {loadSdk});
      assert.equal(outcome.kind, 'failed');
      assert.match(JSON.stringify(outcome), /No conversation found/);
      assert.notEqual(second.host.session, first.host.session);
    });

    it('and pays for what it does itself: the totals of the process that is gone stay behind', async () => {
      const {first, second} = await resume(3);
      const [before, after] = [first.host.spent, second.host.spent];
      assert.ok(
        after.costUsd > 0 && after.costUsd < before.costUsd / 2,
        `${after.costUsd} of ${before.costUsd}`,
      );
      assert.ok(after.outputTokens > 0 && after.outputTokens < before.outputTokens);
    });

    it('with the transcripts of its subagents', async () => {
      const script = `tasks:
  t:
    turns:
      - calls: [{tool: Agent, input: {description: look, prompt: Look., subagent_type: general-purpose}}]
      - Waiting.
      - Done.
      - Done again.
    subagents:
      - turns: [{calls: [{tool: Bash, input: {command: echo beside}}]}, Looked.]
`;
      const {keeper, outcome, second, worktree} = await resume(1, {}, script);
      assert.equal(outcome.kind, 'succeeded');
      const [side] = keeper.lines.filter(({file}) => file !== MAIN_FILE);
      assert.match(side?.file ?? '', /^subagents\/agent-/);
      const folder = path.join(stage.configurationFolder, 'projects', projectKey(worktree));
      const session = second.host.session ?? '';
      assert.ok(existsSync(path.join(folder, `${session}.jsonl`)));
    });
  });
});

/** As Claude Code names the folder of a project. */
function projectKey(worktree: string): string {
  return worktree.replace(/[^A-Za-z0-9]/g, '-');
}
