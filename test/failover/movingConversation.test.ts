/** A conversation of the real Claude Code, rehearsed, that outlives its machine: what the next one does with it, and what it must not do again. */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync, rmSync} from 'node:fs';
import path from 'node:path';
import {gunzipSync} from 'node:zlib';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {CHECKPOINT_FORMAT, type Checkpoint} from '../../coordinator/protocol/model/checkpoint.ts';
import {connectAs, fenceOf, nothingLeftOf, refused} from '../chaos/zombies.ts';
import {transcriptOf} from '../integration/observe.ts';
import {git} from '../support/gitProject.ts';
import {attemptsOf, MovingStage} from '../support/movingStage.ts';

const START_MS = 60_000;
const ENDED_MS = 120_000;

/** What the conversation does before its machine dies; the last call is under way then. */
const BEGUN = `
          - {thinking: 'I begin in {{worktree}}.', text: First., calls: [{tool: Write, input: {file_path: '{{worktree}}/note.txt', content: "one\\n"}}]}
          - calls: [{tool: Bash, input: {command: 'echo one >> $EFFECTS; echo mine > ignored.txt; git add note.txt; git commit -qm Mine'}}]
          - calls: [{tool: Bash, input: {command: 'echo changed >> a.txt'}}, {tool: Read, input: {file_path: '{{worktree}}/note.txt'}}]
          - {hangMs: 6000, calls: [{tool: Bash, input: {command: 'echo two >> $EFFECTS; sleep 613'}}]}`;

describe('a conversation whose machine dies', function () {
  this.timeout(300_000);
  let stage: MovingStage;
  afterEach(() => stage.close());

  it('goes on in the middle of its turn, on the same files, and repeats nothing that a checkpoint covers', async () => {
    stage = await MovingStage.open(
      `
tasks:
  t:
    attempts:
      - turns: ${BEGUN}
      - turns:
          - Not again.
          - Not again.
          - Not again.
          - calls: [{tool: Edit, input: {file_path: '{{worktree}}/note.txt', old_string: one, new_string: three}}, {tool: Bash, input: {command: 'ls; git status --short'}}]
          - All done.
`,
    );
    const first = await stage.agent('first');
    const run = await stage.run();
    const lost = await run.running('t', START_MS);
    await stage.kept(first, 4);
    await stage.whenEffects('one', 'two');
    const second = await stage.agent('second');
    await first.process.kill();
    const session = await run.ended(ENDED_MS);
    assert.equal(session.state, 'succeeded', run.describe() + second.process.log());
    assert.deepEqual(stage.effects, ['one', 'two']);

    const [, continued] = attemptsOf(run);
    assert.ok(continued);
    assert.deepEqual(continued.continued, {attemptId: lost.id, agentId: 'first', calls: 4});
    const [from, to] = [stage.worktree(first, lost), stage.worktree(second, continued)];

    const {body} = stage.asked(2);
    const said = JSON.stringify(body?.messages);
    const answers = body?.messages.filter(({role}) => role === 'assistant') ?? [];
    assert.match(JSON.stringify(answers[0]?.content), new RegExp(`"file_path":"${to}/note.txt"`));
    assert.match(
      JSON.stringify(answers[0]?.content),
      new RegExp(`"thinking":"I begin in ${from}."`),
      'signed',
    );
    assert.equal(said.split(from).length, 2, 'the old worktree is named in the signed thinking alone');
    assert.match(said, /attempt 1 on agent first ended in the middle of your work/);
    assert.match(said, /these tool calls.*echo two >> .*sleep 613/);
    assert.match(said, /Files that git ignores are gone/);
    assert.match(JSON.stringify(body?.['system']), /MCPX task: t attempt 2/);

    const events = await transcriptOf(run.client, continued.id);
    const [, notice] = events;
    assert.ok(notice?.kind === 'notice', JSON.stringify(notice));
    assert.match(notice.text, /^Continued from attempt 1 on agent first at tool call 4/);
    const status = events.flatMap(event => (event.kind === 'toolResult' ? [event.text] : [])).at(-1) ?? '';
    assert.match(status, /^ ?M a\.txt$/m, 'what was not committed is not committed');
    assert.doesNotMatch(status, /ignored/);

    const commit = await run.fetchResult();
    assert.equal(git(stage.project, 'show', `${commit}:note.txt`), 'three');
    assert.equal(git(stage.project, 'show', `${commit}:a.txt`), 'a\nchanged');
    assert.match(git(stage.project, 'log', '--format=%s', commit), /^Mine$/m);
  });

  it('is kept from a zombie: what the stopped agent says after its replacement is refused and shown', async () => {
    stage = await MovingStage.open(`
tasks:
  t:
    attempts:
      - turns:
          - calls: [{tool: Bash, input: {command: 'echo one >> $EFFECTS'}}]
          - {hangMs: 6000, calls: [{tool: Bash, input: {command: 'echo two >> $EFFECTS; sleep 614'}}]}
      - turns:
          - Not again.
          - calls: [{tool: Bash, input: {command: 'echo three >> $EFFECTS; cat note.txt; sleep 20'}}]
          - All done.
`);
    const first = await stage.agent('first');
    const run = await stage.run();
    const held = await run.running('t', START_MS);
    await stage.kept(first, 1);
    await stage.whenEffects('one', 'two');
    first.process.pause();
    await stage.agent('second');
    await stage.whenEffects('one', 'two', 'three');
    const {fleet} = stage;
    const imposter = await connectAs({fleet}, first, held);
    try {
      const fence = await fenceOf({run}, held);
      const checkpoint: Checkpoint = {
        format: CHECKPOINT_FORMAT,
        conversation: 'braindead',
        claude: '2.1.330',
        calls: 99,
        seq: 99,
        transcript: [{sha256: 'f'.repeat(64), bytes: 1}],
      };
      const late = {attemptId: held.id, fence};
      const isStale = (error: unknown) => isProtocolError(error, 'staleFence');
      await assert.rejects(imposter.request('mcpx.checkpoint.save', {...late, checkpoint}), isStale);
      await assert.rejects(imposter.request('mcpx.checkpoint.open', late), isStale);
    } finally {
      imposter.dispose();
    }
    await refused({run}, held, ['checkpoint']);
    first.process.resume();
    await nothingLeftOf(held);
    const session = await run.ended(ENDED_MS);
    assert.equal(session.state, 'succeeded', run.describe());
    assert.deepEqual(stage.effects, ['one', 'two', 'three']);
    assert.equal(attemptsOf(run)[1]?.continued?.calls, 1);
  });

  it('takes its subagents along, and knows that those which were at work have ended', async () => {
    stage = await MovingStage.open(`
tasks:
  t:
    attempts:
      - turns:
          - calls: [{tool: Agent, input: {description: look, prompt: Look around., subagent_type: general-purpose}}]
          - Waiting.
        subagents:
          - turns:
              - calls: [{tool: Bash, input: {command: 'echo side >> $EFFECTS'}}]
              - {hangMs: 6000, calls: [{tool: Bash, input: {command: 'echo later >> $EFFECTS; sleep 617'}}]}
      - turns: [Not again., Not again., All done.]
`);
    const first = await stage.agent('first');
    const run = await stage.run();
    await run.running('t', START_MS);
    await stage.kept(first, 2);
    await stage.whenEffects('side', 'later');
    const second = await stage.agent('second');
    await first.process.kill();
    const session = await run.ended(ENDED_MS);
    assert.equal(session.state, 'succeeded', run.describe() + second.process.log());
    assert.deepEqual(stage.effects, ['side', 'later']);
    assert.equal(attemptsOf(run)[1]?.continued?.calls, 2);
    const said = JSON.stringify(stage.asked(2).body?.messages);
    assert.match(said, /these tool calls.*echo later >> .*sleep 617/);
    assert.doesNotMatch(said, /echo side/);
    assert.match(said, /Subagents that were at work have ended with the other machine \([0-9a-z]+\)/);
  });

  it('is not kept beyond the bytes that its agent allows, which is said once', async () => {
    stage = await MovingStage.open(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: 'echo one >> $EFFECTS'}}]
      - {hangMs: 3000, calls: [{tool: Bash, input: {command: 'echo two >> $EFFECTS'}}]}
      - {hangMs: 3000, text: All done.}
`);
    const first = await stage.agent('first', '--set', 'checkpointBytes=1000');
    const run = await stage.run();
    const session = await run.ended(ENDED_MS);
    assert.equal(session.state, 'succeeded', run.describe());
    const [attempt] = attemptsOf(run);
    const notices = (await transcriptOf(run.client, attempt?.id ?? '')).flatMap(event =>
      event.kind === 'notice' ? [event.text] : [],
    );
    assert.equal(notices.length, 1, notices.join());
    assert.match(
      notices[0] ?? '',
      /could not be kept.*more than 1000 bytes \(the agent's setting checkpointBytes\)/,
    );
    assert.doesNotMatch(first.process.log(), /a conversation is kept/);
  });

  it('moves when a person moves its task, and begins anew after a failure of its own', async () => {
    stage = await MovingStage.open(`
tasks:
  t:
    attempts:
      - turns:
          - calls: [{tool: Write, input: {file_path: '{{worktree}}/note.txt', content: "one\\n"}}]
          - {hangMs: 5000, calls: [{tool: Bash, input: {command: 'sleep 615'}}]}
      - turns:
          - Not again.
          - {text: Failing., error: {status: 400}}
      - turns:
          - calls: [{tool: Bash, input: {command: 'echo anew: $(ls) >> $EFFECTS'}}]
          - All done.
`);
    const first = await stage.agent('first');
    const run = await stage.run('{max: 1, backoff: 100ms}');
    await run.running('t', START_MS);
    await stage.kept(first, 1);
    await stage.agent('second');
    await run.client.request('mcpx.session.control', {
      sessionId: run.id,
      action: {kind: 'reassignTask', taskId: 't', agentId: 'second'},
    });
    const session = await run.ended(ENDED_MS);
    assert.equal(session.state, 'succeeded', run.describe());
    const [, moved, anew] = attemptsOf(run);
    assert.equal(moved?.agentId, 'second');
    assert.deepEqual(moved?.continued?.agentId, 'first');
    assert.equal(moved?.outcome, 'failed');
    assert.equal(anew?.continued, undefined);
    assert.deepEqual(stage.effects, ['anew: a.txt']);
  });

  it('begins anew and says why where what was kept does not fit', async () => {
    stage = await MovingStage.open(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: 'echo one >> $EFFECTS'}}]
      - {hangMs: 5000, calls: [{tool: Bash, input: {command: 'test $(wc -l < $EFFECTS) -ge 2 || sleep 616'}}]}
      - All done.
`);
    const first = await stage.agent('first');
    const run = await stage.run();
    await run.running('t', START_MS);
    await stage.kept(first, 1);
    const second = await stage.agent('second');
    const artifacts = path.join(stage.fleet.dataFolder, 'artifacts');
    const named = newestKept(artifacts);
    rmSync(named);
    await first.process.kill();
    const session = await run.ended(ENDED_MS);
    assert.equal(session.state, 'succeeded', run.describe() + second.process.log());
    const [, anew] = attemptsOf(run);
    assert.ok(anew && anew.continued === undefined);
    assert.deepEqual(stage.effects, ['one', 'one']);
    const notices = (await transcriptOf(run.client, anew.id)).flatMap(event =>
      event.kind === 'notice' ? [event.text] : [],
    );
    assert.match(notices[0] ?? '', /begins anew and does not continue attempt 1 on agent first: .*404/);
  });
});

/** The file of the part of a conversation that is kept. */
function newestKept(folder: string): string {
  const files = readdirSync(folder, {recursive: true, withFileTypes: true})
    .filter(entry => entry.isFile())
    .map(entry => path.join(entry.parentPath, entry.name));
  const kept = files.filter(file => {
    const bytes = readFileSync(file);
    return bytes[0] === 0x1f && bytes[1] === 0x8b && gunzipSync(bytes).toString().startsWith('{"worktree"');
  });
  assert.equal(kept.length, 1, files.join());
  return kept[0] ?? '';
}
