/** Servers from the files of Claude Code, VS Code and the MCP registry. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {expandText} from '../../../coordinator/discovery/servers/expandVariables.ts';
import {ImportError, importServers} from '../../../coordinator/protocol/servers/importServers.ts';

const imported = (json: object) => importServers(JSON.stringify(json), 'FILE');

describe('importing MCP servers', () => {
  it('takes the .mcp.json of Claude Code', () => {
    const {servers, refused} = imported({
      mcpServers: {
        files: {command: 'npx', args: ['-y', 'files', '${HOME}'], env: {LEVEL: 3, KEY: '${KEY:-none}'}},
        web: {type: 'http', url: 'https://host/mcp', headers: {Authorization: 'Bearer ${TOKEN}'}},
        old: {type: 'sse', url: 'https://host/sse'},
        off: {command: 'x', disabled: true},
      },
    });
    assert.deepEqual(refused, []);
    assert.deepEqual(
      servers.map(({name, endpoint}) => [name, endpoint]),
      [
        [
          'files',
          {
            type: 'stdio',
            command: 'npx',
            args: ['-y', 'files', '${HOME}'],
            env: {LEVEL: '3', KEY: '${KEY:-none}'},
          },
        ],
        ['web', {type: 'http', url: 'https://host/mcp', headers: {Authorization: 'Bearer ${TOKEN}'}}],
        ['old', {type: 'sse', url: 'https://host/sse', headers: {}}],
      ],
    );
  });

  it('takes how the hub is to share a server out', () => {
    const {servers} = imported({mcpServers: {one: {command: 'x', mcpx: {shared: true, prefix: false}}}});
    assert.equal(servers[0]?.shared, true);
    assert.equal(servers[0]?.prefix, false);
  });

  it('takes how the hub gets in', () => {
    const oauth = {clientId: 'ours', clientSecret: '${SECRET}', issuer: 'https://login.example.org'};
    const {servers} = imported({mcpServers: {one: {url: 'https://h/mcp', mcpx: {oauth}}}});
    assert.deepEqual(servers[0]?.endpoint, {type: 'http', url: 'https://h/mcp', headers: {}, oauth});
  });

  it('takes the mcp.json of VS Code with its comments, and refuses inputs with what to do', () => {
    const {servers, refused} = importServers(
      `{
        // comments, and "strings // with slashes"
        "inputs": [{"id": "api-key", "type": "promptString"}],
        "servers": {
          "one": {"type": "stdio", "command": "x", "args": ["http://a//b"],},
          "two": {"type": "http", "url": "https://h", "headers": {"K": "\${input:api-key}"}}, /* and a comma */
        },
      }`,
      'FILE',
    );
    assert.deepEqual(
      servers.map(({name}) => name),
      ['one'],
    );
    assert.deepEqual(servers[0]?.endpoint.type === 'stdio' && servers[0].endpoint.args, ['http://a//b']);
    assert.match(refused[0]?.reason ?? '', /^FILE: servers\.two: .*"api-key".*\$\{API_KEY\}/);
  });

  it('takes the server.json of the registry: a remote, or a package that runs', () => {
    const remote = imported({
      name: 'io.example/weather',
      description: 'd',
      remotes: [
        {type: 'streamable-http', url: 'https://w/mcp', headers: [{name: 'X-Key', isRequired: true}]},
      ],
    });
    assert.deepEqual(remote.servers[0]?.endpoint, {
      type: 'http',
      url: 'https://w/mcp',
      headers: {'X-Key': '${X_KEY}'},
    });
    assert.equal(remote.servers[0]?.name, 'weather');
    const packaged = imported({
      name: 'io.example/files',
      packages: [
        {
          registryType: 'npm',
          identifier: '@example/files',
          version: '1.2.3',
          transport: {type: 'stdio'},
          packageArguments: [
            {type: 'positional', value: '/data'},
            {type: 'named', name: '--level', default: '2'},
          ],
          environmentVariables: [
            {name: 'KEY', isRequired: true},
            {name: 'MODE', default: 'fast'},
            {name: 'OTHER'},
          ],
        },
      ],
    });
    assert.deepEqual(packaged.servers[0]?.endpoint, {
      type: 'stdio',
      command: 'npx',
      args: ['-y', '@example/files@1.2.3', '/data', '--level', '2'],
      env: {KEY: '${KEY}', MODE: '${MODE:-fast}'},
    });
  });

  const wrong: [string, object, RegExp][] = [
    ['no command', {mcpServers: {a: {args: []}}}, /FILE: mcpServers\.a: a stdio server needs a "command"/],
    [
      'an unknown type',
      {mcpServers: {a: {type: 'ftp', url: 'x'}}},
      /mcpServers\.a\.type: "ftp" .*stdio, http or sse/,
    ],
    ['no url', {mcpServers: {a: {type: 'http'}}}, /needs a "url"/],
    [
      'a wrong url',
      {mcpServers: {a: {url: 'host/mcp'}}},
      /"host\/mcp" is no http:\/\/ or https:\/\/ address/,
    ],
    ['args that are none', {mcpServers: {a: {command: 'x', args: [{}]}}}, /mcpServers\.a: args\.0/],
    ['a wrong setting of ours', {mcpServers: {a: {command: 'x', mcpx: {pool: 0}}}}, /pool/],
    ['a login of a process', {mcpServers: {a: {command: 'x', mcpx: {oauth: {}}}}}, /mcpx\.oauth: .*"env"/],
    ['a file of variables', {servers: {a: {command: 'x', envFile: '.env'}}}, /envFile/],
    [
      'a package of another kind',
      {name: 'a/b', packages: [{registryType: 'nuget', identifier: 'x'}]},
      /npm, PyPI or an OCI image/,
    ],
    [
      'an argument without a value',
      {
        name: 'a/b',
        packages: [
          {
            registryType: 'npm',
            identifier: 'x',
            packageArguments: [{type: 'named', name: '--x', isRequired: true}],
          },
        ],
      },
      /"--x" needs a value/,
    ],
  ];
  for (const [name, json, reason] of wrong)
    it(`refuses a server with ${name}, and no other`, () => {
      const {servers, refused} = imported(
        'mcpServers' in json ? {mcpServers: {...(json.mcpServers as object), good: {command: 'y'}}} : json,
      );
      assert.match(refused[0]?.reason ?? '', reason);
      if ('mcpServers' in json)
        assert.deepEqual(
          servers.map(each => each.name),
          ['good'],
        );
    });

  it('gives every server a name of its own that the hub can use', () => {
    const {servers} = imported({
      mcpServers: {
        'my server': {command: 'a'},
        'my-server': {command: 'b'},
        'my/server': {command: 'c'},
        a__b: {command: 'd'},
        '??': {command: 'e'},
      },
    });
    const byCommand = Object.fromEntries(
      servers.map(({name, endpoint}) => [endpoint.type === 'stdio' && endpoint.command, name]),
    );
    assert.deepEqual(byCommand, {a: 'my-server-2', b: 'my-server', c: 'my-server-3', d: 'a_b', e: 'server'});
  });

  it('lets processes run in the folder of the project, as editors do', () => {
    const text = JSON.stringify({
      servers: {
        one: {command: '${workspaceFolder}/run.sh'},
        two: {command: 'x', cwd: '/elsewhere'},
      },
    });
    const [one, two] = importServers(text, 'FILE', '/pro"ject').servers.map(({endpoint}) => endpoint);
    assert.deepEqual(one, {type: 'stdio', command: '/pro"ject/run.sh', args: [], env: {}, cwd: '/pro"ject'});
    assert.equal(two?.type === 'stdio' && two.cwd, '/elsewhere');
  });

  it('takes the example', () => {
    const file = new URL('../../../examples/servers/.mcp.json', import.meta.url);
    const {servers, refused} = importServers(readFileSync(file, 'utf8'), 'FILE');
    assert.deepEqual(refused, []);
    assert.equal(servers.length, 3);
  });

  it('throws for a file that is no such file', () => {
    assert.throws(() => importServers('{', 'FILE'), ImportError);
    assert.throws(() => imported({other: 1}), /FILE: there are no MCP servers in it/);
  });
});

describe('variables', () => {
  const variables = {A: 'one', EMPTY: ''};
  for (const [text, expected] of [
    ['${A}-${A}', 'one-one'],
    ['${B:-two}', 'two'],
    ['${A:-two}', 'one'],
    ['${EMPTY:-x}', ''],
    ['${env:A}', 'one'],
    ['$A and $${}', '$A and $${}'],
  ] as const)
    it(text, () => assert.equal(expandText(text, 'args[0]', variables), expected));

  it('that are not set are named, with the place', () => {
    assert.throws(
      () => expandText('${NOPE}', 'args[0]', variables),
      /args\[0\]: the environment variable NOPE is not set/,
    );
  });
});
