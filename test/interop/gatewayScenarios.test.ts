/** What MCP's conformance suite requires of a client, of the gateway: it is the client of the servers behind the hub. */
import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {bundle} from '../support/bundle.ts';
import {type Revision, runScenarios} from './scenarios.ts';
import {findTools, skipWithout, type Tools} from './tools.ts';

/**
 * Of extensions, which no revision requires. Left out are those whose extension the gateway does not have: proofs of possession (`auth/dpop`,
 * `auth/dpop-nonce`), assertions of an enterprise's identity provider (`auth/enterprise-managed-authorization`) and of a workload
 * (`auth/wif-jwt-bearer`).
 */
const EXTENSIONS = ['auth/client-credentials-basic', 'auth/client-credentials-jwt'];

describe('the conformance scenarios for clients, with the gateway as the client', function () {
  this.timeout(600_000);
  let tools: Tools;
  let folder: string;
  let program: string;

  before(async function () {
    tools = skipWithout(await findTools(), this);
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-clients-'));
    const source = fileURLToPath(new URL('clientProgram.ts', import.meta.url));
    program = await bundle(source, path.join(folder, 'client.mjs'));
  });

  after(async () => {
    if (folder) await rm(folder, {recursive: true, force: true});
  });

  for (const [revision, count] of [
    ['2025-11-25', 18],
    ['2026-07-28', 32],
  ] as const satisfies readonly (readonly [Revision, number])[])
    it(`everything of ${revision} passes`, async () => {
      const command = `${process.execPath} ${program}`;
      const run = {tools, revision, subject: {command}, folder: path.join(folder, revision)};
      const {faults, required} = await runScenarios({...run, only: () => true});
      assert.deepEqual(faults, {});
      assert.equal(required.length, count);
    });

  it('what is tried of extensions passes', async () => {
    const command = `${process.execPath} ${program}`;
    const run = {
      tools,
      revision: '2026-07-28',
      subject: {command},
      folder: path.join(folder, 'more'),
    } as const;
    const {faults} = await runScenarios({...run, extensions: EXTENSIONS});
    assert.deepEqual(faults, {});
  });
});
