/** Registration after validation and introspection; requirements -> filter -> score -> rank; what people do not get to see. */
import assert from 'node:assert/strict';
import {
  type Introspection,
  MCPServiceDiscovery,
} from '../../../coordinator/discovery/servers/mcpServiceDiscovery.ts';
import {withoutSecrets} from '../../../coordinator/discovery/servers/serverView.ts';
import type {MCPCapability, MCPServerInfo} from '../../../coordinator/protocol/commands/server.ts';
import {ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import {CoordinatorError} from '../../../coordinator/runtime/errors.ts';

const capability = (
  kind: MCPCapability['kind'],
  name: string,
  more: Partial<MCPCapability> = {},
): MCPCapability => ({
  ...{kind, name},
  ...more,
});

function info(name: string, capabilities: MCPCapability[], more: Partial<MCPServerInfo> = {}): MCPServerInfo {
  const definition = ServerDefinition.parse({name, endpoint: {type: 'stdio', command: 'x'}});
  return {
    name,
    definition,
    discoveredAt: 1,
    state: 'ready',
    places: [],
    connections: 0,
    processes: 0,
    capabilities,
    ...more,
  };
}

function discovery(
  known: MCPServerInfo[],
  introspect = async (): Promise<Introspection> => ({capabilities: []}),
) {
  const registered: MCPServerInfo[] = [];
  const service = new MCPServiceDiscovery({
    introspect,
    variables: {HOME: '/home'},
    registry: {
      listServers: async () => known,
      async register(definition, seen) {
        const server = info(definition.name, [], seen);
        registered.push(server);
        return server;
      },
    },
  });
  return {service, registered};
}

describe('discovering MCP servers', () => {
  const files = info('files', [
    capability('tool', 'read_file', {readOnly: true, description: 'Reads a file'}),
    capability('tool', 'write_file', {readOnly: false}),
    capability('resource', 'file:///data/a'),
  ]);
  const git = info('git', [
    capability('tool', 'git_log', {readOnly: true, description: 'History of a repository'}),
    capability('prompt', 'review'),
  ]);
  const down = info('down', [capability('tool', 'read_file', {readOnly: true})], {state: 'unavailable'});
  const {service} = discovery([down, git, files]);
  const found = async (requirements: Parameters<typeof service.discoverMCPServers>[0]): Promise<string[]> =>
    (await service.discoverMCPServers(requirements)).map(({name}) => name);

  const cases: [string, Parameters<typeof service.discoverMCPServers>[0], string[]][] = [
    ['nothing asked: all that can be reached, by name', {}, ['files', 'git']],
    ['a tool', {tools: ['read_*']}, ['files']],
    ['every tool that is named must be there', {tools: ['read_*', 'git_*']}, []],
    ['only reading', {tools: ['write_*'], readOnly: true}, []],
    ['a resource', {resources: ['file:///**']}, ['files']],
    ['a prompt', {prompts: ['review']}, ['git']],
    ['those that are down too, after the others', {tools: ['read_*'], unavailable: true}, ['files', 'down']],
    ['what it is about ranks', {about: 'history of a git repository'}, ['git', 'files']],
    ['words within names count', {about: 'write'}, ['files', 'git']],
  ];
  for (const [name, requirements, expected] of cases)
    it(name, async () => assert.deepEqual(await found(requirements), expected));
});

describe('registering an MCP server', () => {
  const good = {name: 'good', endpoint: {type: 'stdio', command: 'x'}};
  const withOAuth = (oauth: object) => ({name: 'a', endpoint: {type: 'http', url: 'http://x', oauth}});

  it('takes one where somebody has to log in first', async () => {
    const {service, registered} = discovery([], async () => {
      throw new CoordinatorError('unauthorized', 'somebody has to log in');
    });
    const server = await service.registerMCPServer(withOAuth({}));
    assert.equal(server.state, 'needsLogin');
    assert.equal(registered.length, 1);
  });

  it('takes one that answers, with what it offers', async () => {
    const {service, registered} = discovery([], async () => ({
      capabilities: [capability('tool', 'a')],
      failedLists: [{list: 'prompts', reason: 'it has none'}],
    }));
    const server = await service.registerMCPServer(good);
    assert.deepEqual(server.capabilities, [capability('tool', 'a')]);
    assert.deepEqual(server.failedLists, [{list: 'prompts', reason: 'it has none'}]);
    assert.equal(registered.length, 1);
  });

  it('takes one unchecked without connecting', async () => {
    const {service, registered} = discovery([], async () => assert.fail('connected'));
    await service.registerMCPServer(good, {check: false});
    assert.equal(registered.length, 1);
  });

  const refused: [string, object, RegExp][] = [
    ['without a name', {endpoint: good.endpoint}, /name/],
    ['with a name that names could not carry', {...good, name: 'a__b'}, /name: letters, digits/],
    ['at no address', {name: 'a', endpoint: {type: 'http', url: 'ftp://x'}}, /no http/],
    [
      'with a variable that is not set',
      {name: 'a', endpoint: {...good.endpoint, args: ['${NOPE}']}},
      /a, endpoint: args\[0\]: .*NOPE/,
    ],
    [
      'with replicas of another kind',
      {...good, replicas: [{type: 'http', url: 'http://x'}]},
      /replicas\[0\]/,
    ],
    ['with a secret for whoever asks', withOAuth({clientId: 'a', clientSecret: 'b'}), /need issuer/],
    [
      'with credentials of its own that are none',
      withOAuth({grant: 'client_credentials', clientId: 'a'}),
      /needs clientId, and clientSecret or privateKey/,
    ],
    [
      'with a key for a person',
      withOAuth({clientId: 'a', privateKey: 'b', issuer: 'c'}),
      /client_credentials/,
    ],
    ['with metadata at no page', withOAuth({clientMetadataUrl: 'http://h/x'}), /no https:\/\/ address/],
    ['with a variable in its secret that is not set', withOAuth({clientSecret: '${NOPE}'}), /oauth.*NOPE/],
    [
      'with a replica where somebody would have to log in',
      {...withOAuth({}), replicas: [{type: 'http', url: 'http://y', oauth: {}}]},
      /replicas\[0\].*one address/,
    ],
    ['with an unknown field', {...good, shraed: true}, /shraed/],
    ['that does not answer', good, /good is refused: it is down/],
  ];
  for (const [name, server, reason] of refused)
    it(`refuses one ${name}`, async () => {
      const {service, registered} = discovery([], async () => {
        throw new Error('it is down');
      });
      await assert.rejects(service.registerMCPServer(server), reason);
      assert.deepEqual(registered, []);
    });
});

describe('a server as people see it', () => {
  it('shows no values of variables and headers, and no arguments that look like secrets', () => {
    const {endpoint} = withoutSecrets(
      ServerDefinition.parse({
        name: 'a',
        endpoint: {
          type: 'stdio',
          command: 'x',
          args: ['--api-key', 'abc', '--token=def', '--level', '3', 'PASSWORD=ghi', '--key', '${KEY}'],
          env: {A: 'secret', B: '${B}', C: '${C:-secret}'},
        },
      }),
    );
    assert.deepEqual(endpoint, {
      type: 'stdio',
      command: 'x',
      args: ['--api-key', '***', '--token=***', '--level', '3', 'PASSWORD=***', '--key', '${KEY}'],
      env: {A: '***', B: '${B}', C: '***'},
    });
    const http = withoutSecrets(
      ServerDefinition.parse({
        name: 'a',
        endpoint: {
          type: 'http',
          url: 'https://me:pw@host/mcp?key=abc&v=${V}',
          headers: {Authorization: 'Bearer abc', X: 'Bearer ${T}'},
          oauth: {clientId: 'ours', clientSecret: 'abc', privateKey: '${K}', scope: 'read'},
        },
      }),
    );
    assert.deepEqual(http.endpoint, {
      type: 'http',
      url: 'https://***@host/mcp?key=***&v=${V}',
      headers: {Authorization: '***', X: 'Bearer ${T}'},
      oauth: {clientId: 'ours', clientSecret: '***', privateKey: '${K}', scope: 'read'},
    });
  });
});
