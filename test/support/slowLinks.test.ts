/** A slow link of fault tests is about as slow as it is told to be, there and back, and whoever is behind it reaches its addresses no faster. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {startEnclosed} from './enclosedProgram.ts';
import {findEnclosure} from './enclosure.ts';
import type {Measured, MeasureOptions} from './slowUplinkInside.ts';

const PROGRAM = fileURLToPath(new URL('slowUplinkInside.ts', import.meta.url));
const OPTIONS: MeasureOptions = {
  slownesses: [
    {delayMs: 300, bytesPerSecond: 1e9},
    {delayMs: 0, bytesPerSecond: 100_000},
  ],
  bytes: 100_000,
};

const enclosure = findEnclosure(process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1');
const lacking = enclosure.kind === 'missing' ? enclosure.why : undefined;

describe(`a slow link${lacking === undefined ? '' : `: ${lacking}`}`, function () {
  this.timeout(120_000);
  before(function () {
    if (lacking !== undefined) this.skip();
  });

  it('delays each way, lets no more through than it is as narrow as, and changes while it is there', async () => {
    assert.ok(enclosure.kind === 'possible', 'skipped otherwise');
    const child = startEnclosed(enclosure, PROGRAM, OPTIONS);
    let said = '';
    child.stderr.on('data', chunk => {
      said += chunk;
    });
    const lines: string[] = [];
    createInterface({input: child.stdout}).on('line', line => lines.push(line));
    const [code] = await once(child, 'close');
    assert.equal(code, 0, said);
    const [late, narrow] = lines.map((line): Measured => JSON.parse(line));
    assert.ok(late && narrow, said);
    const figures = JSON.stringify({late, narrow});
    // There and back; a connection is made before that, on this side of the link.
    assert.ok(late.roundTripMs >= 600 * 0.95 && late.roundTripMs < 600 * 3, figures);
    assert.ok(narrow.roundTripMs < 600 * 0.8, figures);
    // A second each way, the one beside the other.
    assert.ok(late.sentMs < 600 * 4, figures);
    assert.ok(narrow.sentMs >= 1000 * 0.9 && narrow.sentMs < 1000 * 5, figures);
  });
});
