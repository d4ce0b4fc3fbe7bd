/** What goes into prompts and what is kept out of transcripts. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {clipEvent, clipText} from '../../../coordinator/agent/runner/clipEvent.ts';
import {promptText} from '../../../coordinator/agent/runner/promptText.ts';
import {SecretMask} from '../../../coordinator/agent/runner/secretMask.ts';
import {TaskAssign} from '../../../coordinator/protocol/commands/attempt.ts';
import {TranscriptEvent} from '../../../coordinator/protocol/transcript.ts';
import {assignment, prompt} from '../agentFixture.ts';

describe('prompt text', () => {
  const assign = (more: object): TaskAssign =>
    TaskAssign.parse({...assignment('t', prompt('Build it.')), ...more});

  it('is the prompt alone for a first attempt', () => {
    assert.equal(promptText(assign({}), 'Build it.', []), 'Build it.');
  });

  it('carries the evidence of the gates that failed, and of no other, in a fence that the output cannot close', () => {
    const gates = [
      {gate: 'tests', passed: false, exitCode: 1, output: '1 failing\n```\nstack\n```\n', durationMs: 1},
      {gate: 'lint', passed: true, exitCode: 0, output: 'clean', durationMs: 1},
    ];
    const text = promptText(assign({previous: {message: 'a gate failed', gates}}), 'Build it.', []);
    assert.match(text, /did not succeed: a gate failed/);
    assert.match(text, /"tests" has to pass and failed \(exit code 1\)/);
    assert.match(text, /\n````\n1 failing\n```\nstack\n```\n````/);
    assert.doesNotMatch(text, /lint/);
  });

  it('names the conflicting files and both sides', () => {
    const conflict = {paths: ['a.txt', 'b.txt'], ours: {taskId: 'left'}, theirs: {taskId: 'right'}};
    const text = promptText(assign({}), 'Build it.', [conflict]);
    assert.match(text, /- a\.txt, b\.txt: the result of left against that of right/);
  });
});

describe('transcript events', () => {
  it('fit the wire contract whatever a driver makes', () => {
    const long = fc.string({unit: 'binary', maxLength: 50}).map(text => text.repeat(3000));
    fc.assert(
      fc.property(long, fc.json(), (text, input) => {
        const events: TranscriptEvent[] = [
          {kind: 'text', at: 1, role: 'assistant', text, parent: text},
          {kind: 'toolCall', at: 1, id: text, name: text, input: {all: text, json: JSON.parse(input)}},
          {kind: 'toolResult', at: 1, id: text, isError: false, text},
        ];
        for (const event of events) {
          const parsed = TranscriptEvent.safeParse(clipEvent(event));
          assert(parsed.success, parsed.error?.message);
        }
      }),
      {numRuns: 50},
    );
  });

  it('are not cut through a character', () => {
    const clipped = clipText('😀'.repeat(100), 60);
    assert(clipped.length <= 60);
    assert.equal(Buffer.from(clipped).toString(), clipped);
  });
});

describe('secret mask', () => {
  it('replaces values at any depth, longer ones first, and leaves short ones alone', () => {
    const mask = new SecretMask({LONG: 'secret-value-more', SHORT: 'secret-value', TINY: 'ab'});
    const event: TranscriptEvent = {
      kind: 'toolCall',
      at: 1,
      id: 'x',
      name: 'Bash',
      input: {command: ['echo secret-value-more', {deep: 'secret-value ab'}]},
    };
    assert.deepEqual(mask.event(event), {
      ...event,
      input: {command: ['echo [LONG]', {deep: '[SHORT] ab'}]},
    });
  });

  it('takes a secret of several lines out line by line', () => {
    const mask = new SecretMask({KEY: '-----BEGIN\nabcdefgh\n-----END'});
    assert.equal(mask.text('got abcdefgh here'), 'got [KEY] here');
  });

  it('finds a secret in text that arrives in pieces, and holds back no more than may be one', () => {
    const mask = new SecretMask({KEY: 'secret-value', LONGER: 'secret-value-more'});
    const stream = mask.stream();
    assert.equal(stream.push('the key is sec'), 'the key is ');
    assert.equal(stream.push('ret-val'), '');
    assert.equal(stream.push('ue, '), '[KEY], ');
    assert.equal(stream.push('or secret-value'), 'or ');
    assert.equal(stream.push('-m'), '');
    assert.equal(stream.push('ore'), '[LONGER]');
    assert.equal(stream.push('a secr'), 'a ');
    assert.equal(stream.end(), 'secr');
  });

  it('says of pieces what it says of the whole text, however it is cut', () => {
    const letters = fc.string({unit: fc.constantFrom('a', 'b'), minLength: 6, maxLength: 9});
    const pieces = fc.array(fc.string({unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12}), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.array(letters, {minLength: 1, maxLength: 3}), pieces, (secrets, cut) => {
        const mask = new SecretMask(Object.fromEntries(secrets.map((value, index) => [`S${index}`, value])));
        const stream = mask.stream();
        const shown = cut.map(piece => stream.push(piece)).join('') + stream.end();
        assert.equal(shown, mask.text(cut.join('')));
      }),
    );
  });
});
