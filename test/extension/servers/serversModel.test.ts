/** The tree of MCP servers: what it says of each, and what it draws anew. */
import assert from 'node:assert/strict';
import type {MCPCapability, MCPServerInfo} from '../../../coordinator/protocol/commands/server.ts';
import {ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import {Emitter} from '../../../coordinator/runtime/emitter.ts';
import {Drawing} from '../../../extension/views/model/drawing.ts';
import type {ServerSource} from '../../../extension/views/model/serverRows.ts';
import {ServersModel} from '../../../extension/views/model/serversModel.ts';
import {NOW, RowsInMemory} from '../rowsInMemory.ts';

class ServersInMemory implements ServerSource {
  all: readonly MCPServerInfo[] = [];
  isWatched = false;
  private readonly changes = new Emitter<void>();
  readonly onChange = this.changes.event;

  show(...rows: MCPServerInfo[]): void {
    this.all = rows;
    this.changes.emit();
  }

  whenWhole(): undefined {}

  watched(isWatched: boolean): void {
    this.isWatched = isWatched;
  }
}

type Patch = Partial<Omit<MCPServerInfo, 'definition'>> & {readonly definition?: object};

function server(name: string, {definition, ...patch}: Patch = {}): MCPServerInfo {
  const endpoint = {type: 'stdio', command: 'npx', args: ['shop']};
  return {
    name,
    definition: ServerDefinition.parse({name, endpoint, ...definition}),
    discoveredAt: NOW - 3_600_000,
    state: 'ready',
    places: [{state: 'connected'}],
    connections: 1,
    processes: 1,
    capabilities: [],
    ...patch,
  };
}

const TOOLS: readonly MCPCapability[] = [
  {kind: 'tool', name: 'order', shown: 'shop__order', description: 'Orders it.\nAt once.'},
  {kind: 'tool', name: 'cancel', readOnly: true},
];

describe('the tree of MCP servers', () => {
  let source: ServersInMemory;
  let model: ServersModel;
  beforeEach(() => {
    source = new ServersInMemory();
    model = new ServersModel(source, new RowsInMemory().words);
  });
  afterEach(() => model.dispose());

  const lineOf = (id: string): string => {
    const node = model.node(id);
    return `${node?.icon?.id} ${node?.label}: ${node?.description ?? ''}`;
  };

  it('has a server with its state, what it offers below it in its order, and the way back', () => {
    source.show(
      server('shop', {era: 'modern', capabilities: [{kind: 'prompt', name: 'ask'}, ...TOOLS]}),
      server('zoo', {state: 'starting', processes: 0}),
    );
    assert.deepEqual(model.children(undefined), ['server/shop', 'server/zoo']);
    assert.equal(lineOf('server/shop'), 'mcp shop: ready · 2 tools');
    assert.equal(lineOf('server/zoo'), 'loading~spin zoo: starting');
    assert.equal(model.node('server/zoo')?.expansion, 'leaf');
    assert.deepEqual(model.children('server/shop'), ['part/shop/tools', 'part/shop/prompts']);
    assert.equal(lineOf('part/shop/tools'), 'tools Tools: 2');
    assert.equal(model.node('part/shop/tools')?.expansion, 'expanded');
    assert.deepEqual(model.children('part/shop/tools'), [
      'offer/shop/tools/order',
      'offer/shop/tools/cancel',
    ]);
    assert.equal(lineOf('offer/shop/tools/order'), 'wrench order: Orders it.');
    assert.equal(model.parent('offer/shop/tools/order'), 'part/shop/tools');
    assert.equal(model.parent('part/shop/tools'), 'server/shop');
    assert.equal(model.parent('server/shop'), undefined);
  });

  it('tells in tooltips what a tool does, what agents call it and who may use it', () => {
    source.show(server('shop', {capabilities: [...TOOLS]}));
    assert.deepEqual(model.node('offer/shop/tools/order')?.tooltip, [
      'order',
      'Agents see it as shop__order',
      'Everybody may use it',
      '',
      'Orders it.\nAt once.',
    ]);
  });

  it('tells in its tooltip where a server runs, how it speaks and where it comes from', () => {
    source.show(
      server('shop', {
        era: 'legacy',
        definition: {title: 'The shop', endpoint: {type: 'stdio', command: 'npx', args: ['shop']}},
        source: '/w/.mcp.json',
      }),
      server('web', {
        lastError: 'it was slow',
        definition: {
          endpoint: {type: 'http', url: 'https://h/mcp', headers: {Authorization: '***'}},
          shared: true,
          access: [{deny: ['x']}],
        },
      }),
    );
    assert.deepEqual(model.node('server/shop')?.tooltip, [
      'shop: The shop',
      'ready',
      'Command: npx shop',
      'Runs beside the coordinator; processes: 1',
      'Protocol: MCP 2025-11-25 or older',
      'Imported from /w/.mcp.json, 1 h ago',
    ]);
    assert.deepEqual(model.node('server/web')?.tooltip, [
      'web',
      'ready',
      'Last error: it was slow',
      'Address: https://h/mcp',
      'Connections: 1',
      'Shared by all clients',
      'Access rules: 1',
      'Registered 1 h ago',
    ]);
  });

  it('says that somebody has to log in, and how', () => {
    const lastError = 'somebody has to log in at the server shop: mcpx servers login shop';
    source.show(server('shop', {state: 'needsLogin', lastError}));
    assert.equal(lineOf('server/shop'), `account shop: needs a login · ${lastError}`);
  });

  it('marks where a person may log in, and where somebody has', () => {
    const at = (oauth?: object) => ({endpoint: {type: 'http', url: 'https://h/mcp', ...(oauth && {oauth})}});
    const login = {issuer: 'https://login.example.org', loggedInAt: NOW - 3_600_000};
    source.show(
      server('process'),
      server('open', {state: 'needsLogin', definition: at()}),
      server('own', {definition: at({grant: 'client_credentials', clientId: 'a'})}),
      server('shop', {definition: at(), login}),
    );
    assert.deepEqual(
      model.children(undefined).map(id => model.node(id)?.contextValue),
      ['server.ready', 'server.needsLogin.takesLogin', 'server.ready', 'server.ready.takesLogin.loggedIn'],
    );
    const tooltip = model.node('server/shop')?.tooltip ?? [];
    assert.ok(tooltip.includes('Logged in by https://login.example.org, 1 h ago'), tooltip.join('\n'));
  });

  it('says that a server cannot be reached, and why', () => {
    source.show(
      server('shop', {state: 'unavailable', lastError: 'exit code 1; it said: no database\n  at main'}),
    );
    assert.equal(lineOf('server/shop'), 'error shop: unavailable · exit code 1; it said: no database');
    const places: MCPServerInfo['places'] = [{state: 'failed', lastError: 'exit code 2'}];
    source.show(
      server('shop', {state: 'unavailable', lastError: 'the server shop fails: exit code 2', places}),
    );
    assert.equal(lineOf('server/shop'), 'error shop: unavailable · exit code 2');
    source.show(
      server('shop', {state: 'unavailable', lastError: 'exit code 1; it said: no database\n  at main'}),
    );
    assert.match(
      model.node('server/shop')?.tooltip?.join('\n') ?? '',
      /Last error: exit code 1.*\n {2}at main/,
    );
  });

  it('says what a server that can be used does not list, and why', () => {
    const failedLists: MCPServerInfo['failedLists'] = [
      {list: 'resourceTemplates', reason: 'no such thing'},
      {list: 'prompts', reason: 'they are lost'},
    ];
    source.show(server('shop', {capabilities: [...TOOLS], failedLists}));
    assert.equal(
      lineOf('server/shop'),
      'mcp shop: ready · 2 tools · does not list templates of resources, prompts',
    );
    assert.equal(model.node('server/shop')?.icon?.color, 'charts.yellow');
    const tooltip = model.node('server/shop')?.tooltip ?? [];
    assert.ok(tooltip.includes('Does not list prompts: they are lost'), tooltip.join('\n'));
    source.show(server('shop', {failedLists: [{list: 'tools', reason: 'they are lost'}]}));
    assert.equal(lineOf('server/shop'), 'mcp shop: ready · does not list tools');
  });

  it('shows the places of a server that has several', () => {
    const replicas = [{type: 'http', url: 'https://other/mcp'}];
    source.show(
      server('shop', {
        definition: {replicas},
        places: [{state: 'failed', lastError: 'exit code 1\nlast words'}, {state: 'connected'}],
      }),
      server('zoo'),
    );
    assert.equal(lineOf('server/shop'), 'mcp shop: ready · no tools · 1 of 2 places fail');
    assert.deepEqual(model.children('server/zoo'), []);
    assert.deepEqual(model.children('server/shop'), ['part/shop/places']);
    assert.deepEqual(model.children('part/shop/places'), ['offer/shop/places/0', 'offer/shop/places/1']);
    assert.equal(lineOf('offer/shop/places/0'), 'error npx shop: failed · exit code 1');
    assert.equal(lineOf('offer/shop/places/1'), 'mcp https://other/mcp: connected · replica');
    assert.equal(model.node('offer/shop/places/0')?.target, undefined);
    assert.equal(model.node('offer/shop/places/2'), undefined);
  });

  it('marks what not everybody may use', () => {
    const access = [{deny: ['cancel']}, {roles: ['agent'], allow: ['other']}];
    source.show(server('shop', {capabilities: [...TOOLS], definition: {access}}));
    const nodeOf = (name: string) => model.node(`offer/shop/tools/${name}`);
    assert.deepEqual(
      ['order', 'cancel'].map(name => [nodeOf(name)?.contextValue, nodeOf(name)?.icon?.id]),
      [
        ['offer.tools.limited', 'wrench'],
        ['offer.tools.denied', 'circle-slash'],
      ],
    );
    assert.match(nodeOf('cancel')?.description ?? '', /^denied/);
  });

  it('shows a resource, whatever is in its address', () => {
    source.show(
      server('shop', {capabilities: [{kind: 'resource', name: 'file:///a/b?c', description: 'Stock'}]}),
    );
    assert.equal(lineOf('offer/shop/resources/file:///a/b?c'), 'symbol-file file:///a/b?c: Stock');
    assert.deepEqual(model.node('offer/shop/resources/file:///a/b?c')?.target, {
      kind: 'offer',
      server: 'shop',
      part: 'resources',
      name: 'file:///a/b?c',
    });
  });

  it('draws anew what changed and nothing else; all of it when a server comes or goes', () => {
    source.show(server('shop', {capabilities: [...TOOLS]}), server('zoo'));
    const drawing = new Drawing(model, new RowsInMemory().words);
    const draw = (id: string | undefined): void => {
      for (const child of drawing.children(id)) {
        drawing.node(child);
        draw(child);
      }
    };
    draw(undefined);
    const touched: unknown[] = [];
    model.onDirty(dirt => touched.push(drawing.touched(dirt)));
    source.show(server('shop', {capabilities: [...TOOLS]}), server('zoo'));
    source.show(server('shop', {capabilities: [...TOOLS]}), server('zoo', {state: 'unavailable'}));
    draw(undefined);
    source.show(server('shop', {capabilities: TOOLS.slice(1)}), server('zoo', {state: 'unavailable'}));
    draw(undefined);
    source.show(server('zoo', {state: 'unavailable'}));
    assert.deepEqual(touched, [[], ['server/zoo'], ['server/shop'], 'all']);
  });

  it('has its source kept up to date only while somebody looks', () => {
    model.watched(true);
    assert.equal(source.isWatched, true);
    model.watched(false);
    assert.equal(source.isWatched, false);
  });
});
