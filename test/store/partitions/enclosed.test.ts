/** A run that is killed takes everything of its own along: members, the holders of their networks, and with these the networks and mounts. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {readdirSync, readlinkSync} from 'node:fs';
import {findEnclosure} from '../../support/enclosure.ts';
import {found} from '../../support/waiting.ts';
import {startTrial} from './enclosed.ts';

const GONE_MS = 20_000;

const enclosure = findEnclosure(process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1');
const lacking = enclosure.kind === 'missing' ? enclosure.why : undefined;

describe(`a run within networks of its own${lacking === undefined ? '' : `: ${lacking}`}`, function () {
  this.timeout(120_000);
  before(function () {
    if (lacking !== undefined) this.skip();
  });

  for (const end of ['SIGKILL', 'the end of its input'] as const)
    it(`leaves nothing behind after ${end}`, async () => {
      assert.ok(enclosure.kind === 'possible', 'skipped otherwise');
      const child = startTrial(enclosure, {seed: 2, store: 'embedded'});
      // Its first fault is announced: the members are there.
      await once(child.stderr, 'data');
      const mounts = mountsOf(String(child.pid));
      assert.ok(mounts !== undefined && mounts !== mountsOf('self'));
      assert.ok(processesWith(mounts).length >= 7, 'itself, three members, three holders');
      if (end === 'the end of its input') child.stdin.end();
      else child.kill(end);
      const left = (): string => `${processesWith(mounts)} to end`;
      await found(() => processesWith(mounts).length === 0 || undefined, GONE_MS, left);
    });
});

function processesWith(mounts: string): string[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name) && mountsOf(name) === mounts);
}

function mountsOf(process: string): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/ns/mnt`);
  } catch {
    return undefined;
  }
}
