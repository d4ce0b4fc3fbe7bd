/** The servers that stand behind the hub elsewhere pass what is required by themselves: what fails through the hub is the hub's. */
import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {type Revision, runScenarios} from './scenarios.ts';
import {type RunningServer, type ServerEras, TestServers} from './testServer.ts';
import {findTools, skipWithout, type Tools} from './tools.ts';

const CASES: readonly (readonly [ServerEras, Revision])[] = [
  ['both', '2025-11-25'],
  ['both', '2026-07-28'],
  ['legacy', '2025-11-25'],
];

describe('the conformance scenarios against the servers themselves', function () {
  this.timeout(300_000);
  let tools: Tools;
  let folder: string;
  let built: TestServers;
  const servers = new Map<ServerEras, RunningServer>();

  before(async function () {
    tools = skipWithout(await findTools(), this);
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-scenarios-'));
    built = await TestServers.build();
    for (const eras of ['both', 'legacy'] as const) servers.set(eras, await built.http(eras));
  });

  after(async () => {
    for (const server of servers.values()) await server.stop();
    await built?.dispose();
    if (folder) await rm(folder, {recursive: true, force: true});
  });

  for (const [eras, revision] of CASES)
    it(`a server of ${eras === 'both' ? 'both eras' : 'the older era'} passes all that ${revision} requires`, async () => {
      const {url = ''} = servers.get(eras) ?? {};
      const results = path.join(folder, `${eras}-${revision}`);
      const {faults, required} = await runScenarios({tools, revision, subject: {url}, folder: results});
      assert.deepEqual(faults, {});
      assert.equal(required.length, revision === '2025-11-25' ? 30 : 37);
    });
});
