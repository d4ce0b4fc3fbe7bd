/**
 * What MCP's conformance suite requires of a server, through the hub: clients of either era in front, servers of either era behind, as processes and
 * over HTTP. The servers pass by themselves (directScenarios.test.ts).
 */
import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {type HubInFront, hubInFront, unprefixed} from './hubInFront.ts';
import {type Revision, runScenarios} from './scenarios.ts';
import {type ServerEras, TestServers} from './testServer.ts';
import {findTools, skipWithout, type Tools} from './tools.ts';

interface Case {
  readonly revision: Revision;
  readonly eras: ServerEras;
  readonly over: 'stdio' | 'http';
  /** Scenarios that cannot be passed in such a pairing, with the checks that then fail, and why. Everything else has to pass. */
  readonly inapplicable?: Readonly<
    Record<string, {readonly checks: readonly string[]; readonly why: string}>
  >;
  /** Checks that are passed where the machine is quick, and why it takes that. */
  readonly unsteady?: Readonly<Record<string, string>>;
}

const OF_THE_OLDER_ERA: Case['inapplicable'] = {
  'input-required-result-basic-elicitation': {
    checks: ['sep-2322-elicitation-incomplete'],
    why: 'it looks for a question by the name "user_name"; a request of the older era has no name, so the hub makes one',
  },
};

const OF_PROCESSES: Case['unsteady'] = {
  'sep-2575-http-server-no-independent-requests-on-stream':
    'it waits 600 ms for an answer to a client that can do what no client before it could: of a process of the older era such a client gets its own',
};

const CASES: readonly Case[] = [
  {revision: '2025-11-25', eras: 'both', over: 'stdio'},
  {revision: '2026-07-28', eras: 'both', over: 'stdio'},
  {revision: '2025-11-25', eras: 'legacy', over: 'stdio'},
  {
    revision: '2026-07-28',
    eras: 'legacy',
    over: 'stdio',
    inapplicable: OF_THE_OLDER_ERA,
    unsteady: OF_PROCESSES,
  },
  {revision: '2025-11-25', eras: 'both', over: 'http'},
  {revision: '2026-07-28', eras: 'both', over: 'http'},
  {revision: '2025-11-25', eras: 'legacy', over: 'http'},
  {revision: '2026-07-28', eras: 'legacy', over: 'http', inapplicable: OF_THE_OLDER_ERA},
];

describe('the conformance scenarios through the hub', function () {
  this.timeout(300_000);
  let tools: Tools;
  let folder: string;
  let servers: TestServers;
  const disposals: (() => Promise<void>)[] = [];

  before(async function () {
    tools = skipWithout(await findTools(), this);
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-scenarios-'));
    servers = await TestServers.build();
  });

  afterEach(async () => {
    for (const dispose of disposals.splice(0).reverse()) await dispose();
  });

  after(async () => {
    await servers?.dispose();
    if (folder) await rm(folder, {recursive: true, force: true});
  });

  async function hubBefore({eras, over}: Case): Promise<HubInFront> {
    const server = over === 'http' ? await servers.http(eras) : undefined;
    if (server) disposals.push(() => server.stop());
    const endpoint = server ? {type: 'http' as const, url: server.url, headers: {}} : servers.stdio(eras);
    const hub = await hubInFront([unprefixed('server', endpoint)]);
    disposals.push(() => hub.close());
    return hub;
  }

  for (const one of CASES) {
    const {revision, eras, over, inapplicable = {}, unsteady = {}} = one;
    const behind = `${eras === 'both' ? 'both eras' : 'the older era'} (${over})`;
    it(`all that ${revision} requires is passed in front of a server of ${behind}`, async () => {
      const {url} = await hubBefore(one);
      const results = path.join(folder, `${revision}-${eras}-${over}`);
      const {faults} = await runScenarios({tools, revision, subject: {url}, folder: results});
      const checksOf = (found: readonly string[]): string[] =>
        found.map(fault => fault.slice(0, fault.indexOf(':'))).filter(check => !(check in unsteady));
      const unexpected = Object.entries(faults).filter(
        ([scenario, found]) => checksOf(found).join() !== (inapplicable[scenario]?.checks ?? []).join(),
      );
      assert.deepEqual(Object.fromEntries(unexpected), {});
      // What has come to pass leaves the table.
      for (const scenario of Object.keys(inapplicable)) assert.ok(faults[scenario], `${scenario} passes`);
    });
  }
});
