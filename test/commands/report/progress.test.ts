/** The two ways in which a running session is shown. */
import assert from 'node:assert/strict';
import {Writable} from 'node:stream';
import {stripVTControlCharacters} from 'node:util';
import {readSession, type SessionReport} from '../../../coordinator/client/report/sessionReport.ts';
import {LiveProgress, PlainProgress} from '../../../coordinator/commands/report/progress.ts';
import {
  cut,
  padded,
  printable,
  terminalColors,
  textWidth,
  wantsColors,
} from '../../../coordinator/commands/report/terminalText.ts';
import type {Row} from '../../../coordinator/protocol/commands/watch.ts';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {failedRows, runningRows, SESSION, START} from './sessionRows.ts';

class Screen extends Writable {
  readonly columns = 80;
  readonly rows = 24;
  readonly chunks: string[] = [];
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk.toString());
    done();
  }
  take(): string {
    return stripVTControlCharacters(this.chunks.splice(0).join(''));
  }
}

function report(rows: readonly Row[]): SessionReport {
  const read = readSession(rows, SESSION);
  assert.ok(read);
  return read;
}

describe('live progress', () => {
  it('draws at once, then at most five times a second, and times run on between updates', () => {
    const [screen, clock] = [new Screen(), new ManualClock(START)];
    const progress = new LiveProgress(screen, clock, terminalColors(false));
    progress.update(report(runningRows()));
    assert.match(screen.take(), /● hello/);
    for (let update = 0; update < 100; update++) progress.update(report(runningRows()));
    assert.equal(screen.take(), '');
    clock.advance(60_000);
    assert.match(screen.take(), /1m00s/);
    progress.stop();
  });

  it('clears its frame when it stops, and draws nothing after', () => {
    const [screen, clock] = [new Screen(), new ManualClock(START)];
    const progress = new LiveProgress(screen, clock, terminalColors(false));
    progress.update(report(runningRows()));
    progress.update(report(failedRows()));
    screen.take();
    progress.stop();
    // Lines are erased by control sequences, and nothing is drawn in their place.
    assert.ok(screen.chunks.join('').includes('\u001b[2K'));
    assert.equal(screen.take(), '');
    progress.update(report(runningRows()));
    clock.advance(10_000);
    progress.stop();
    assert.equal(screen.take(), '');
  });

  it('keeps notes above the view', () => {
    const screen = new Screen();
    const progress = new LiveProgress(screen, new ManualClock(START), terminalColors(false));
    progress.update(report(runningRows()));
    screen.take();
    progress.note('interrupted: cancelling');
    const text = screen.take();
    assert.ok(text.indexOf('interrupted: cancelling') < text.indexOf('● hello'));
    progress.stop();
  });
});

describe('plain progress', () => {
  it('writes whole lines, each change once', () => {
    let text = '';
    const progress = new PlainProgress(added => {
      text += added;
    }, new ManualClock(START));
    progress.update(report(runningRows()));
    progress.update(report(runningRows()));
    progress.note('interrupted');
    progress.stop();
    assert.equal(text.split('\n').filter(line => line === 'hello: running on a-2 (attempt 2)').length, 1);
    assert.ok(text.endsWith('interrupted\n'));
  });
});

describe('terminal text', () => {
  it('counts columns of wide and combining characters', () => {
    for (const [text, width] of [
      ['abc', 3],
      ['日本', 4],
      ['e\u0301', 1],
      ['😀', 2],
      ['', 0],
      ['…', 1],
    ] as const)
      assert.equal(textWidth(text), width, text);
  });

  it('cuts and pads to exact widths', () => {
    assert.equal(cut('日本語', 4), '日…');
    assert.equal(cut('abcdef', 6), 'abcdef');
    assert.equal(cut('abc', 0), '');
    assert.equal(padded('ab', 4), 'ab  ');
    assert.equal(padded('ab', 4, 'right'), '  ab');
    for (let columns = 1; columns < 12; columns++)
      assert.equal(textWidth(padded('日本語 text', columns)), columns);
  });

  it('takes control sequences out', () => {
    assert.equal(printable('a\u001b[31mb\u001b[0m\r\nc\u0000'), 'ab c');
  });

  it('wants colours as the environment says', () => {
    for (const [env, interactive, wanted] of [
      [{}, true, true],
      [{}, false, false],
      [{NO_COLOR: '1', FORCE_COLOR: '1'}, true, false],
      [{NO_COLOR: ''}, true, true],
      [{FORCE_COLOR: '1'}, false, true],
      [{FORCE_COLOR: '0'}, true, false],
      [{TERM: 'dumb'}, true, false],
    ] as const)
      assert.equal(wantsColors(env, interactive), wanted, JSON.stringify(env));
  });
});
