/** Conflicts of shared memory in a person's window: seen in the tree, compared, and decided; and the past of a key beside its present. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {connectClient, type McpxClient} from '../../../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../../../coordinator/client/nodeSocket.ts';
import {snapshotRows} from '../../../../coordinator/commands/local/connect.ts';
import {Endpoint} from '../../../../coordinator/commands/local/endpoint.ts';
import {silentLogger} from '../../../../coordinator/observability/logger.ts';
import type {Params} from '../../../../coordinator/protocol/commands/table.ts';
import {every, systemClock} from '../../../../coordinator/runtime/clock.ts';
import {deferred} from '../../../../coordinator/runtime/deferred.ts';
import type {JsonValue} from '../../../../coordinator/runtime/json.ts';
import {systemRandom} from '../../../../coordinator/runtime/random.ts';
import {registration} from '../../../fixtures/attempts.ts';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {settled} from '../awaiting.ts';
import {Page} from '../page.ts';
import {variable} from '../surroundings.ts';
import {Team} from '../team.ts';
import {Tree} from '../views/tree.ts';

const WAIT_MS = 60_000;
const HEARTBEAT_MS = 2000;
const PLAN = `name: contested
agents: 1
tasks:
  - {id: wait, run: sleep 1000}
  - {id: away, run: sleep 1000, requires: {region: moon}}
`;

const UNDONE = `name: undone
agents: 1
tasks:
  - {id: base, run: echo base > base.txt, syncPoint: laid}
  - id: page
    dependsOn: base
    run: 'curl -sSf -X PUT -H "Authorization: Bearer $MCPX_MEMORY_TOKEN" "$MCPX_MEMORY/colour" -d "[1]"'
`;

type Assignment = Params<'mcpx.orchestrate.task.assign'>;

/** An agent of few words, which takes one attempt and writes as if it had been cut off. */
class AwayAgent {
  private sequence = 0;
  private readonly assigned = deferred<Assignment>();
  private readonly client: McpxClient;
  private readonly beating: {dispose(): void};

  constructor() {
    const file = path.join(variable('MCPX_HOME'), 'coordinator/endpoint.json');
    const {url, agentToken, ca} = Endpoint.parse(JSON.parse(readFileSync(file, 'utf8')));
    const joins = registration('away-1', 'run-away');
    joins.instance.metadata.region = 'moon';
    this.client = connectClient({
      urls: [url],
      token: () => agentToken,
      openSocket: nodeSocket({ca: () => ca}),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'away', version: '0'},
      handler: call => {
        if (call.method !== 'mcpx.orchestrate.task.assign') return Promise.resolve({});
        this.assigned.resolve(call.params);
        return Promise.resolve({kind: 'accepted'});
      },
      onConnected: async peer => void (await peer.request('mcpx.agent.register', joins)),
    });
    // Without them its lease would end, and with it its fence.
    this.beating = every(systemClock, HEARTBEAT_MS, () => {
      this.client
        .request('mcpx.health.check', {agentId: 'away-1', incarnation: 'run-away'})
        .catch(() => undefined);
    });
  }

  /** Resolves with the id of the conflict that comes of it. */
  async writes(key: string, value: JsonValue, base: {revision: number; value: JsonValue}): Promise<string> {
    const {sessionId, fence} = await this.assigned.promise;
    const sequence = ++this.sequence;
    const clock = {hub: base.revision, 'run-away': sequence};
    const write = {incarnation: 'run-away', sequence, fence, key, value, timestamp: 1, base, clock};
    const have = {store: '', revision: 0, writers: {}};
    const {outcomes} = await this.client.request('mcpx.coordinate.state.sync', {
      sessionId,
      replica: {have, writes: [write]},
    });
    const [outcome] = outcomes;
    assert.ok(outcome?.kind === 'conflict', JSON.stringify(outcome));
    return outcome.conflictId;
  }

  dispose(): void {
    this.beating.dispose();
    this.client.dispose();
  }
}

describe('conflicts of shared memory', function () {
  this.timeout(240_000);
  let team: Team;
  let away: AwayAgent;
  let sessionId: string;
  before(async () => {
    team = await Team.start({'contested.mcpx.yaml': PLAN, 'undone.mcpx.yaml': UNDONE});
    sessionId = await team.run('contested.mcpx.yaml');
    away = new AwayAgent();
  });
  after(async () => {
    away?.dispose();
    await team?.leave();
  });
  beforeEach(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  const put = async (key: string, value: JsonValue): Promise<number> =>
    (await (await team.client()).request('mcpx.memory.put', {sessionId, key, value})).revision;
  const stored = async (key: string): Promise<JsonValue | undefined> =>
    (await (await team.client()).request('mcpx.memory.get', {sessionId, key})).record?.value;
  const contested = async (key: string): Promise<{kind: string; sessionId: string; conflictId: string}> => {
    const revision = await put(key, 'before');
    await put(key, 'theirs');
    const conflictId = await away.writes(key, 'mine', {revision, value: 'before'});
    return {kind: 'stateConflict', sessionId, conflictId};
  };
  const diff = (): Promise<vscode.TabInputTextDiff> =>
    settled(
      vscode.window.tabGroups.onDidChangeTabs,
      () => {
        const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
        return input instanceof vscode.TabInputTextDiff ? input : undefined;
      },
      'a comparison',
    );
  const text = async (uri: vscode.Uri): Promise<string> =>
    (await vscode.workspace.openTextDocument(uri)).getText();

  it('are in the tree with a sign, and compare both values', async function () {
    const page = Page.orSkip(this);
    const target = await contested('api/shape');
    await vscode.commands.executeCommand('workbench.view.extension.mcpx');
    const tree = new Tree(page, 'Shared State');
    await vscode.commands.executeCommand('mcpx.sharedState.focus');
    const session = await tree.row(/^contested, 1 conflict/);
    await tree.expand(session);
    const row = await tree.row(/^api\/shape, conflict/);
    await page.screenshot('stateConflict');
    await tree.select(row);
    assert.deepEqual((await tree.actions(row)).sort(), ['Edit and Resolve…', 'Keep Mine', 'Keep Theirs']);
    const {original, modified} = await diff();
    assert.deepEqual([await text(original), await text(modified)], ['"theirs"\n', '"mine"\n']);
    await page.screenshot('stateConflictDiff');
    await vscode.commands.executeCommand('mcpx.keepTheirs', {target});
    assert.equal(await stored('api/shape'), 'theirs');
  });

  it('end as a person decides: mine, or a third value', async () => {
    await vscode.commands.executeCommand('mcpx.keepMine', await contested('a'));
    assert.equal(await stored('a'), 'mine');

    const edited = vscode.commands.executeCommand('mcpx.editStateConflict', await contested('b'));
    const messages = new Messages(async ({buttons}) => {
      const accept = buttons.find(button => button === 'Resolve');
      if (!accept) return undefined;
      const editor = vscode.window.activeTextEditor;
      assert.equal(editor?.document.getText(), '"mine"\n');
      await editor.edit(edit => edit.replace(new vscode.Range(0, 0, 99, 0), '["both"]'));
      return accept;
    });
    try {
      await edited;
    } finally {
      messages.dispose();
    }
    await found(
      async () => (Array.isArray(await stored('b')) ? true : undefined),
      WAIT_MS,
      'the third value',
    );
    assert.deepEqual(await stored('b'), ['both']);
  });

  it('are not decided over a newer value unless the person says so', async () => {
    const target = await contested('c');
    await put('c', 'newer');
    const answers: (string | undefined)[] = [undefined, 'Keep Mine'];
    const messages = new Messages(({message}) =>
      message.startsWith('c was changed again') ? answers.shift() : undefined,
    );
    try {
      await vscode.commands.executeCommand('mcpx.keepMine', target);
      assert.equal(await stored('c'), 'newer');
      await vscode.commands.executeCommand('mcpx.keepMine', target);
      assert.equal(await stored('c'), 'mine');
    } finally {
      messages.dispose();
    }
  });

  it('are what a rollback leaves where others have written since', async function () {
    const page = Page.orSkip(this);
    const undone = await team.run('undone.mcpx.yaml');
    await team.sessionIn(undone, 'succeeded');
    await team.mcpx('memory', 'put', 'colour', '["red"]', '--session', undone);
    const target = {kind: 'session', sessionId: undone};
    let button: string | undefined;
    const messages = new Messages(({buttons}) => buttons.find(each => each === button));
    try {
      await vscode.commands.executeCommand('mcpx.rollBackSession', target, 'laid');
      assert.equal((await team.session(undone)).state, 'succeeded', 'nobody has agreed');
      button = 'Roll Back Session';
      const rolling = vscode.commands.executeCommand('mcpx.rollBackSession', {target});
      const offer = '.quick-input-list .monaco-list-row';
      await page.waitFor({selector: offer, hasText: '2 tasks are undone'});
      await page.screenshot('rollBackTo');
      await page.click({selector: offer, hasText: 'To the point laid'});
      await rolling;
    } finally {
      messages.dispose();
    }
    assert.deepEqual(
      messages.shown.map(({kind, message}) => [kind, message]),
      [
        ['showWarningMessage', 'Roll the session undone back to the point laid?'],
        ['showWarningMessage', 'Roll the session undone back to the point laid?'],
        ['showInformationMessage', 'undone is rolled back: 1 task is undone.'],
      ],
    );
    assert.equal((await team.session(undone)).state, 'rolledBack');
    assert.deepEqual(
      [(await team.task(undone, 'base')).state, (await team.task(undone, 'page')).state],
      ['succeeded', 'rolledBack'],
    );
    await vscode.commands.executeCommand('mcpx.sharedState.focus');
    const tree = new Tree(page, 'Shared State');
    await tree.expand(await tree.row(/^undone, 1 conflict/));
    const row = await tree.row(/^colour, conflict, rolled back · \["red"\] ↔ \(deleted\)$/);
    await tree.select(row);
    const {original, modified} = await diff();
    assert.deepEqual([await text(original), await text(modified)], ['[\n  "red"\n]\n', '']);
    await page.screenshot('rolledBackConflict');
    const [conflict] = await snapshotRows(await team.client(), {view: 'conflicts'});
    assert.ok(conflict?.kind === 'conflict');
    const {id: conflictId} = conflict.conflict;
    await vscode.commands.executeCommand('mcpx.keepMine', {
      target: {kind: 'stateConflict', sessionId: undone, conflictId},
    });
    const client = await team.client();
    assert.equal(
      (await client.request('mcpx.memory.get', {sessionId: undone, key: 'colour'})).record,
      undefined,
    );
  });

  it('leave a past that opens beside the present, and cannot be written', async () => {
    const revision = await put('h', {n: 1});
    await put('h', {n: 2});
    const target = {kind: 'stateKey', sessionId, key: 'h'};
    await vscode.commands.executeCommand('mcpx.showStateHistory', target, revision);
    const {original, modified} = await diff();
    assert.deepEqual([JSON.parse(await text(original)), JSON.parse(await text(modified))], [{n: 1}, {n: 2}]);
    await assert.rejects(
      Promise.resolve(vscode.workspace.fs.writeFile(original, new TextEncoder().encode('3'))),
    );
    assert.deepEqual(await stored('h'), {n: 2});
  });
});
