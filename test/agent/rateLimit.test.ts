/** Limits of accounts: reported under the name that the registration has, shared by agents of one login, and ended when nobody takes the report. */
import assert from 'node:assert/strict';
import path from 'node:path';
import type {Agent} from '../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../coordinator/agent/agentOptions.ts';
import {loginAccount} from '../../coordinator/agent/claudeSetup/loginAccount.ts';
import type {Driver, DriverHost} from '../../coordinator/agent/driver.ts';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import {assignment, prompt, startAgent} from './agentFixture.ts';
import {FakeHub} from './fakeHub.ts';
import {temporaryFolder, until} from './supervisor/support.ts';

const limited: Driver = {
  name: 'claude',
  start(_, host: DriverHost) {
    host.rateLimited({message: 'the limit was hit'});
    const no = (): Promise<boolean> => Promise.resolve(false);
    const outcome = Promise.resolve({kind: 'failed', reason: 'rateLimit', message: 'limit'} as const);
    return {
      outcome,
      send: () => false,
      interrupt: no,
      setModel: no,
      setPermissionMode: no,
      cancel: () => undefined,
    };
  },
};

describe('rate limit of an agent', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  const agents: Agent[] = [];

  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map(agent => agent.stop('test over', {now: true})));
    await hub.close();
    folder.remove();
  });

  async function accountOf(agentId: string, more: Partial<AgentOptions>): Promise<string | undefined> {
    const agent = await startAgent(path.join(folder.path, agentId), hub.url, {
      agentId,
      promptDriver: limited,
      ...more,
    });
    agents.push(agent);
    await agent.link.whenUp();
    return hub.of('mcpx.agent.register').findLast(({instance}) => instance.id === agentId)?.instance.metadata
      .account;
  }

  it('is reported for the account of its registration, which agents of one login share', async () => {
    const env = {PATH: process.env['PATH'], HOME: '/home/somebody'};
    const first = await accountOf('first', {env});
    assert.equal(await accountOf('second', {env}), first);
    assert.notEqual(await accountOf('keyed', {env: {...env, ANTHROPIC_API_KEY: 'sk-1'}}), first);
    assert.equal(await accountOf('named', {env, account: 'team'}), 'team');
    assert(first !== undefined);
    await hub.send('mcpx.orchestrate.task.assign', assignment('work', prompt('do it')));
    await hub.until('it is reported', () => hub.of('mcpx.agent.rateLimited').length > 0);
    assert.deepEqual(hub.of('mcpx.agent.rateLimited')[0], {
      agentId: 'named',
      account: 'team',
      message: 'the limit was hit',
    });
  });

  it('is reported without a configured account too', async () => {
    const account = await accountOf('plain', {});
    await hub.send('mcpx.orchestrate.task.assign', assignment('work', prompt('do it')));
    await hub.until('it is reported', () => hub.of('mcpx.agent.rateLimited').length > 0);
    assert.equal(hub.of('mcpx.agent.rateLimited')[0]?.account, account);
  });

  it('is not reported for ever to a hub that refuses it', async () => {
    hub.answers['mcpx.agent.rateLimited'] = () => {
      throw new ProtocolError('forbidden', 'not its account');
    };
    await accountOf('plain', {settings: {retryMinMs: 1, retryMaxMs: 2}});
    await hub.send('mcpx.orchestrate.task.assign', assignment('work', prompt('do it')));
    await until('it has given up', () => hub.of('mcpx.agent.rateLimited').length === 5);
    for (let beat = 0; beat < 20; beat++) await hub.send('mcpx.health.check', {});
    assert.equal(hub.of('mcpx.agent.rateLimited').length, 5);
  });
});

describe('account of a login', () => {
  const home = {HOME: '/home/somebody'};

  it('is the same wherever the same key or token is used, and tells neither', () => {
    const key = {...home, ANTHROPIC_API_KEY: 'sk-secret'};
    assert.equal(loginAccount(key, 'one'), loginAccount({...key, HOME: '/root'}, 'two'));
    assert.doesNotMatch(loginAccount(key, 'one') ?? '', /secret/);
    const token = {...home, CLAUDE_CODE_OAUTH_TOKEN: 'sk-secret'};
    assert.equal(loginAccount(token, 'one'), loginAccount(token, 'two'));
    assert.notEqual(loginAccount(token, 'one'), loginAccount(key, 'one'));
  });

  it("is that of the configuration folder on this machine for a user's own login", () => {
    const own = loginAccount(home, 'one');
    assert.equal(loginAccount({...home, CLAUDE_CONFIG_DIR: '/home/somebody/.claude'}, 'one'), own);
    assert.notEqual(loginAccount(home, 'two'), own);
    assert.notEqual(loginAccount({HOME: '/home/other'}, 'one'), own);
  });

  it('is none for a rehearsal, which spends nothing', () => {
    assert.equal(loginAccount({...home, ANTHROPIC_API_KEY: 'x'}, 'one', true), undefined);
  });
});
