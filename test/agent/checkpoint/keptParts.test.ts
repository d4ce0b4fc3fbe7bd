/** The parts in which conversations are kept: their bytes, their number, and what of a secret is in them. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {MAX_FOLDED_PARTS, staying} from '../../../coordinator/agent/checkpoint/foldedParts.ts';
import {isOlderVersion} from '../../../coordinator/agent/checkpoint/isOlderVersion.ts';
import {maskedEntry} from '../../../coordinator/agent/checkpoint/maskedEntry.ts';
import {decodeSegment, encodeSegment} from '../../../coordinator/agent/checkpoint/segment.ts';
import {SecretMask} from '../../../coordinator/agent/runner/secretMask.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';

describe('parts of a kept conversation', () => {
  it('stay few, and are written again seldom, however many checkpoints there are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({min: 1, max: 100_000}), {minLength: 1, maxLength: 400}), sizes => {
        let parts: number[] = [];
        let written = 0;
        const total = sizes.reduce((sum, size) => sum + size, 0);
        for (const size of sizes) {
          const kept = staying(parts, size);
          const added = parts.slice(kept).reduce((sum, each) => sum + each, size);
          parts = [...parts.slice(0, kept), added];
          written += added;
        }
        const log = Math.log2(total) + 2;
        assert.equal(
          parts.reduce((sum, size) => sum + size, 0),
          total,
          'nothing is lost',
        );
        assert.ok(parts.length <= Math.min(MAX_FOLDED_PARTS, log), `${parts.length} parts`);
        assert.ok(written <= total * log * 3, `${written} bytes for ${total}`);
      }),
      {numRuns: 100},
    );
  });

  it('can be joined end to end, each with the worktree of the machine that wrote it', async () => {
    const line = (text: string, file = '') => ({file, entry: {type: 'user', text}});
    const joined = Buffer.concat([
      await encodeSegment([line('a')], ['/a']),
      await encodeSegment([line('b', 'subagents/agent-1'), line('c')], ['/b', '/private/b']),
    ]);
    assert.deepEqual(await decodeSegment(joined), [
      {...line('a'), worktree: ['/a']},
      {...line('b', 'subagents/agent-1'), worktree: ['/b', '/private/b']},
      {...line('c'), worktree: ['/b', '/private/b']},
    ]);
  });

  it('are refused when they are damaged, or name a file outside', async () => {
    const isCorrupt = (error: unknown) => isCoordinatorError(error, 'corrupt');
    await assert.rejects(decodeSegment(Buffer.from('no')), isCorrupt);
    const whole = await encodeSegment([{file: '', entry: {type: 'user'}}], ['/a']);
    await assert.rejects(decodeSegment(whole.subarray(0, -3)), isCorrupt);
    await assert.rejects(
      decodeSegment(await encodeSegment([{file: '../x', entry: {type: 'user'}}], [])),
      isCorrupt,
    );
  });

  it('hold no value of a secret; thinking that has one is left out, since it is signed', () => {
    const mask = new SecretMask({TOKEN: 'very-secret'});
    const entry = {
      type: 'assistant',
      message: {
        content: [
          {type: 'thinking', thinking: 'It is very-secret.', signature: 's'},
          {type: 'thinking', thinking: 'It is not.', signature: 's'},
          {type: 'tool_use', id: 'x', name: 'Bash', input: {command: 'echo very-secret'}},
        ],
      },
      toolUseResult: {stdout: 'very-secret'},
    };
    const masked = maskedEntry(entry, mask);
    assert.doesNotMatch(JSON.stringify(masked), /very-secret/);
    assert.match(JSON.stringify(masked), /echo \[TOKEN\].*"stdout":"\[TOKEN\]"/);
    assert.match(
      JSON.stringify(masked),
      /left out here.*\{"type":"thinking","thinking":"It is not\.","signature":"s"\}/,
    );
    assert.equal(maskedEntry(entry, new SecretMask({})), entry);
  });

  it('are read by the same or a later Claude Code', () => {
    assert.ok(isOlderVersion('2.1.329', '2.1.330'));
    assert.ok(isOlderVersion('2.1.330 (Claude Code)', '2.2'));
    for (const [own, other] of [
      ['2.1.330', '2.1.330'],
      ['2.10.0', '2.9.9'],
      ['3', '2.1.330'],
    ] as const)
      assert.ok(!isOlderVersion(own, other), `${own} and ${other}`);
  });
});
