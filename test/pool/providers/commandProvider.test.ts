/** Agents by commands of a shell: what these are told, and what becomes of those that fail or hang. */
import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {CommandProvider} from '../../../coordinator/pool/providers/commandProvider.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';

describe('agents by commands', () => {
  let folder: string;
  let provider: CommandProvider;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-provider-'));
  });
  afterEach(() => {
    provider.dispose();
    rmSync(folder, {recursive: true});
  });

  const make = (start: string, stop = '', timeoutMs = 10_000): void => {
    provider = new CommandProvider({
      ...{start, stop, timeoutMs, slots: 3, clock: systemClock},
      env: {PATH: process.env['PATH'] ?? '', FOLDER: folder},
      door: () => Promise.resolve({url: 'wss://hub:1', token: 'secret', caPin: 'sha256:00'}),
    });
  };
  const said = (): string => readFileSync(path.join(folder, 'said'), 'utf8');

  it('are told who they are and how they get in, the token in the environment only', async () => {
    make(
      'echo "$0 start {id} {url} {slots} {pin} $MCPX_TOKEN $MCPX_CA_PIN $MCPX_AGENT_ID" >> "$FOLDER/said"',
      'echo "stop {id}" >> "$FOLDER/said"',
    );
    await provider.start('pool-1');
    await provider.stop('pool-1');
    assert.match(said(), /start pool-1 wss:\/\/hub:1 3 sha256:00 secret sha256:00 pool-1\nstop pool-1\n$/);
  });

  it('fail with what the command said', async () => {
    make('echo "no such image" >&2; exit 3');
    await assert.rejects(
      provider.start('pool-1'),
      error => isCoordinatorError(error, 'unavailable') && /ended with 3. no such image/.test(error.message),
    );
  });

  it('are not waited for when what they started holds the output open', async () => {
    make('sleep 30 & echo $! > "$FOLDER/said"');
    const began = performance.now();
    await provider.start('pool-1');
    assert.ok(performance.now() - began < 20_000);
    process.kill(Number(said()), 'SIGKILL');
  });

  it('fail when the command hangs', async () => {
    make('exec sleep 30', '', 200);
    await assert.rejects(provider.start('pool-1'), /it took longer than/);
  });
});
