/** Where a growing transcript may be cut, against a naive reading of the whole. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {Ledger, type LedgerLine} from '../../../coordinator/agent/checkpoint/ledger.ts';
import {
  beginsTurn,
  callsOf,
  MAIN_FILE,
  resultsOf,
  type TranscriptEntry,
} from '../../../coordinator/agent/checkpoint/transcriptEntry.ts';

let uuids = 0;
const uuid = () => `u-${++uuids}`;
const assistant = (blocks: object[], reason: string | null): TranscriptEntry => ({
  type: 'assistant',
  uuid: uuid(),
  message: {role: 'assistant', content: blocks, stop_reason: reason},
});
const calls = (...ids: string[]) =>
  assistant(
    ids.map(id => ({type: 'tool_use', id, name: 'Bash', input: {command: id}})),
    'tool_use',
  );
const thinks = () => assistant([{type: 'thinking', thinking: 'hm', signature: 's'}], 'tool_use');
const ends = () => assistant([{type: 'text', text: 'Done.'}], 'end_turn');
const results = (...ids: string[]): TranscriptEntry => ({
  type: 'user',
  uuid: uuid(),
  message: {role: 'user', content: ids.map(id => ({type: 'tool_result', tool_use_id: id, content: 'ok'}))},
});
const says = (more: object = {}): TranscriptEntry => ({
  type: 'user',
  uuid: uuid(),
  message: {role: 'user', content: 'Do it.'},
  ...more,
});
const note = (type = 'last-prompt'): TranscriptEntry => ({type});
const compaction = (): TranscriptEntry => ({
  type: 'system',
  subtype: 'compact_boundary',
  uuid: uuid(),
  parentUuid: null,
});

function taken(entries: readonly TranscriptEntry[], file = MAIN_FILE): number {
  const ledger = new Ledger();
  for (const entry of entries) ledger.add(file, entry);
  return ledger.take().length;
}

describe('a conversation is cut', () => {
  it('after the last result of a batch, and not inside of it', () => {
    const whole = [says(), calls('a', 'b'), results('a'), results('b')];
    assert.equal(taken(whole), 4);
    assert.equal(taken(whole.slice(0, 3)), 1);
    assert.equal(taken([...whole, calls('c')]), 4);
  });

  it('not between the blocks of an answer that goes on to call a tool', () => {
    assert.equal(taken([says(), thinks()]), 1);
    assert.equal(
      taken([says(), thinks(), assistant([{type: 'text', text: 'So.'}], 'tool_use'), calls('a')]),
      1,
    );
  });

  it('after an answer that ends the turn, with what is noted behind it', () => {
    assert.equal(taken([says(), ends(), note(), note('mode')]), 4);
  });

  it('after a compaction, though calls before it never got their results', () => {
    assert.equal(taken([says(), calls('lost'), compaction(), says({isCompactSummary: true})]), 4);
  });

  it('after a rewind: a fork of the conversation leaves the calls of the other branch without results', () => {
    const fork = [says(), calls('left'), says({parentUuid: 'u-1'}), calls('b'), results('b')];
    assert.equal(taken(fork), 5);
  });

  it('not by a note of Claude Code itself in the middle of a batch', () => {
    assert.equal(taken([says(), calls('a'), says({isMeta: true})]), 1);
  });

  it('where it is in the file of a subagent, whose calls it names while they are open', () => {
    const ledger = new Ledger();
    for (const entry of [says(), calls('main'), results('main'), calls('waits')])
      ledger.add(MAIN_FILE, entry);
    for (const entry of [says({isSidechain: true}), calls('side')]) ledger.add('subagents/agent-1', entry);
    const lines = ledger.take();
    assert.equal(lines.filter(({file}) => file === MAIN_FILE).length, 3);
    assert.equal(lines.filter(({file}) => file !== MAIN_FILE).length, 2);
    assert.deepEqual(
      ledger.openBeside.map(({id}) => id),
      ['side'],
    );
  });

  it('once for an entry that is told twice', () => {
    const entry = says();
    assert.equal(taken([entry, entry]), 1);
  });

  it('behind what an earlier attempt left', () => {
    const before: LedgerLine[] = [says(), calls('a'), results('a')].map(entry => ({file: MAIN_FILE, entry}));
    const ledger = new Ledger(before);
    assert.equal(ledger.take().length, 0);
    assert.equal(ledger.calls, 1);
    assert.ok(ledger.holds(['a']));
    ledger.add(MAIN_FILE, says());
    assert.equal(ledger.take().length, 1);
  });

  it('wherever it is taken, into a beginning of the file that leaves no call of the conversation open', () => {
    const step = fc.constantFrom(
      'say',
      'call',
      'two',
      'answer',
      'end',
      'note',
      'compact',
      'think',
      'side',
      'take',
    );
    fc.assert(
      fc.property(fc.array(step, {maxLength: 60}), steps => {
        const ledger = new Ledger();
        const file: TranscriptEntry[] = [];
        const got: LedgerLine[] = [];
        const open: string[] = [];
        let id = 0;
        const add = (entry: TranscriptEntry) => {
          file.push(entry);
          ledger.add(MAIN_FILE, entry);
        };
        for (const each of steps) {
          if (each === 'say') add(says());
          if (each === 'think') add(thinks());
          if (each === 'end' && open.length === 0) add(ends());
          if (each === 'note') add(note());
          if (each === 'compact') add(compaction());
          if (each === 'call') {
            open.push(`c${++id}`);
            add(calls(`c${id}`));
          }
          if (each === 'two') {
            open.push(`c${++id}`, `c${++id}`);
            add(calls(`c${id - 1}`, `c${id}`));
          }
          if (each === 'answer' && open.length > 0) add(results(String(open.shift())));
          if (each === 'side') ledger.add('subagents/agent-1', calls(`s${++id}`));
          if (each === 'say' || each === 'compact') open.length = 0;
          if (each === 'take') got.push(...ledger.take());
        }
        got.push(...ledger.take());
        const main = got.filter(line => line.file === MAIN_FILE).map(({entry}) => entry);
        assert.deepEqual(main, file.slice(0, main.length), 'a beginning, in order and once');
        assert.deepEqual(openAfter(main), []);
        assert.equal(ledger.calls, main.flatMap(resultsOf).length);
      }),
      {numRuns: 300},
    );
  });
});

function openAfter(entries: readonly TranscriptEntry[]): string[] {
  const open = new Set<string>();
  for (const entry of entries) {
    if (beginsTurn(entry)) open.clear();
    for (const {id} of callsOf(entry)) open.add(id);
    for (const id of resultsOf(entry)) open.delete(id);
  }
  return [...open];
}
