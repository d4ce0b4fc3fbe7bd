/** Paths of a worktree in a transcript that goes to another machine. A transcript that still named the old worktree would have it edited there. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {movedEntry} from '../../../coordinator/agent/checkpoint/movedEntries.ts';
import type {TranscriptEntry} from '../../../coordinator/agent/checkpoint/transcriptEntry.ts';

const OLD = '/var/lib/a/worktree';
const NEW = '/home/b/worktree';
const moved = (text: string, from = [OLD], to = NEW): unknown =>
  movedEntry({type: 'user', text}, from, to)?.['text'];

describe('a moved transcript', () => {
  for (const [what, text, expected] of [
    ['the worktree itself', OLD, NEW],
    ['a file in it', `${OLD}/src/a.ts`, `${NEW}/src/a.ts`],
    ['several in one text', `cd ${OLD} && cat ${OLD}/a:${OLD}/b`, `cd ${NEW} && cat ${NEW}/a:${NEW}/b`],
    ['the end of a sentence', `See ${OLD}.`, `See ${NEW}.`],
    ['a quoted name', `"${OLD}"`, `"${NEW}"`],
    ['a file URL', `file://${OLD}/a`, `file://${NEW}/a`],
    [
      'a longer name beside it',
      `${OLD}-2/a ${OLD}2 ${OLD}.bak ${OLD}é`,
      `${OLD}-2/a ${OLD}2 ${OLD}.bak ${OLD}é`,
    ],
    ['a path that ends like it', `/mnt${OLD}/a`, `/mnt${OLD}/a`],
    ['a path below a folder that ends like it', `x/${OLD}`, `x/${OLD}`],
  ] as const)
    it(`names ${what} rightly`, () => assert.equal(moved(text), expected));

  it('takes every name that the worktree had, the longest first', () => {
    const names = [OLD, `/private${OLD}`];
    assert.equal(moved(`/private${OLD}/a ${OLD}/b`, names), `${NEW}/a ${NEW}/b`);
  });

  it('is right with a new path that holds signs of regular expressions', () => {
    assert.equal(moved(`${OLD}/a`, [OLD], '/x/$&/$1'), '/x/$&/$1/a');
    assert.equal(moved('/a.b+(c)/x /aXb+(c)/x', ['/a.b+(c)'], NEW), `${NEW}/x /aXb+(c)/x`);
  });

  it('has it in inputs, results, keys and working directories, and never in signed thinking', () => {
    const entry: TranscriptEntry = {
      type: 'assistant',
      cwd: OLD,
      message: {
        content: [
          {type: 'thinking', thinking: `I look at ${OLD}.`, signature: 'signed'},
          {type: 'redacted_thinking', data: OLD},
          {type: 'tool_use', id: 'x', name: 'Edit', input: {file_path: `${OLD}/a`, edits: [{in: OLD}]}},
          {type: 'tool_result', tool_use_id: 'x', content: [{type: 'text', text: `${OLD}/a`}]},
        ],
      },
      toolUseResult: {[`${OLD}/a`]: {filePath: `${OLD}/a`}},
    };
    const text = JSON.stringify(entry);
    const after = movedEntry(entry, [OLD], NEW);
    assert.equal(
      JSON.stringify(after),
      text
        .replaceAll(OLD, NEW)
        .replace(`at ${NEW}`, `at ${OLD}`)
        .replace(`"data":"${NEW}"`, `"data":"${OLD}"`),
    );
    assert.equal(JSON.stringify(entry), text, 'the original stays');
  });

  it('leaves the running totals of the old process behind', () => {
    assert.equal(movedEntry({type: 'cost-state', totalCostUSD: 3}, [OLD], NEW), undefined);
  });

  it('comes back to what it was when it moves back, unless it named the new place before', () => {
    const text = fc.array(fc.constantFrom(OLD, '/', ' ', '.', 'a', '-', '"', ':', '\n', `${OLD}/x`, '/var'), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(text, parts => {
        const entry = {type: 'user', text: parts.join('')};
        const there = movedEntry(entry, [OLD], NEW);
        assert.ok(there);
        assert.deepEqual(movedEntry(there, [NEW], OLD), entry);
      }),
      {numRuns: 500},
    );
  });
});
