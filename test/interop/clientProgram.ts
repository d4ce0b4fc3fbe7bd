/**
 * What the conformance suite starts as "the client": a gateway with the suite's server behind it, and one client of the gateway that does what the
 * scenario wants. The suite says by the environment which scenario and which revision.
 */

import {once} from 'node:events';
import {createServer, request as forward} from 'node:http';
import type {AddressInfo} from 'node:net';
import {text} from 'node:stream/consumers';
import {discoverOAuthServerInfo} from '@modelcontextprotocol/client';
import type {CallToolResult, InputRequiredResult} from '@modelcontextprotocol/server';
import {ServerDefinition} from '../../coordinator/protocol/model/server.ts';
import type {ServerOAuth} from '../../coordinator/protocol/model/serverOAuth.ts';
import {openTestStore} from '../fixtures/openTestStore.ts';
import {coordinatorOf, type LoginCoordinator} from '../gateway/oauth/loginSupport.ts';
import {type CallerOptions, callOf, type GatewayFixture, type TestCall} from '../gateway/support.ts';
import {found} from '../support/waiting.ts';

const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? '';
const era = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28' ? 'modern' : 'legacy';
const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as {
  toolCalls?: {name: string; arguments: Record<string, unknown>}[];
  client_id?: string;
  client_secret?: string;
  private_key_pem?: string;
  signing_algorithm?: string;
  issuer?: string;
};
const [url = ''] = process.argv.slice(2);

/** The suite's own servers for these know calls only, and not how a client finds out what they speak. */
const WITHOUT_DISCOVERY = new Set([
  'sep-2322-client-request-state',
  'http-standard-headers',
  'http-custom-headers',
  'http-invalid-tool-headers',
]);

const LOGIN_MS = 10_000;
const OFFER_MS = 10_000;

type Answer = CallToolResult | InputRequiredResult | undefined;

class GatewayClient {
  constructor(
    private readonly fixture: LoginCoordinator,
    private readonly options: CallerOptions,
  ) {}

  caller(more: CallerOptions = {}): TestCall {
    return callOf('client', {era, ...this.options, ...more});
  }

  /** Undefined: it worked. Else what a person is told. */
  async use(): Promise<string | undefined> {
    const {tool, fault} = await found(
      async () => {
        const [tool] = await this.tools();
        const fault = this.fixture.gateway.get('scenario')?.catalogs.lastError;
        return tool === undefined && fault === undefined ? undefined : {tool, fault};
      },
      OFFER_MS,
      'a tool, or why there is none',
    );
    if (tool === undefined) return fault;
    try {
      await this.call(tool);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Done when the gateway has taken it. */
  async login(scope: string | undefined): Promise<void> {
    const before = this.fixture.gateway.get('scenario');
    await this.fixture.login(definition, scope);
    await found(
      () => this.fixture.gateway.get('scenario') !== before || undefined,
      LOGIN_MS,
      'a gateway that has heard of the login',
    );
  }

  get surface(): GatewayFixture['surface'] {
    return this.fixture.surface;
  }

  async tools(): Promise<string[]> {
    return (await this.surface.tools(this.caller())).map(({name}) => name);
  }

  /** Answers what it is asked first, as a client does. */
  async call(name: string, args: Record<string, unknown> = {}): Promise<Answer> {
    const params = {name, arguments: args};
    const first = await this.surface.callTool(params, this.caller());
    if (first?.['resultType'] !== 'input_required') return first;
    const {inputRequests = {}, requestState} = first as InputRequiredResult;
    const inputResponses = Object.fromEntries(
      Object.keys(inputRequests).map(key => [key, {action: 'accept', content: {confirmed: true}}]),
    );
    return await this.surface.callTool(
      params,
      this.caller({inputResponses, ...(requestState && {requestState})}),
    );
  }
}

async function everything(client: GatewayClient): Promise<void> {
  const {surface} = client;
  const [tool] = await client.tools();
  if (tool) await client.call(tool);
  const [resource] = await surface.resources(client.caller());
  if (resource) await surface.readResource(resource.uri, client.caller());
  const [prompt] = await surface.prompts(client.caller());
  if (prompt) await surface.getPrompt({name: prompt.name, arguments: {}}, client.caller());
}

/** A person who confirms a form as it is. */
function withDefaults(_method: string, {requestedSchema}: Record<string, unknown>): unknown {
  const {properties = {}} = requestedSchema as {properties?: Record<string, {default?: unknown}>};
  const filled = Object.entries(properties).filter(([, field]) => field.default !== undefined);
  return {
    action: 'accept',
    content: Object.fromEntries(filled.map(([name, field]) => [name, field.default])),
  };
}

/** Logs in as often as the server wants, within reason, and gives up where it may not be. */
async function asPerson(client: GatewayClient): Promise<void> {
  for (let logins = 0; ; logins++) {
    const wanted = await client.use();
    if (wanted === undefined) return;
    console.error(wanted);
    if (logins === MAX_LOGINS || !wanted.includes('mcpx servers login')) process.exit(1);
    await client.login(/--scope "([^"]+)"/.exec(wanted)?.[1]);
  }
}

const MAX_LOGINS = 3;

/** How the server is registered, for scenarios whose client is known beforehand. */
async function registeredOAuth(): Promise<ServerOAuth | undefined> {
  const {client_id: clientId, client_secret: clientSecret, private_key_pem: privateKey} = context;
  if (scenario === 'auth/basic-cimd')
    return {clientMetadataUrl: 'https://conformance-test.local/client-metadata.json'};
  if (clientId === undefined) return undefined;
  const issuer = context.issuer ?? (await issuerOf(url));
  const {signing_algorithm: algorithm} = context;
  return {
    ...{clientId, issuer},
    ...(clientSecret !== undefined && {clientSecret}),
    ...(privateKey !== undefined && {privateKey}),
    ...(algorithm !== undefined && {algorithm}),
    ...(scenario.startsWith('auth/client-credentials') && {grant: 'client_credentials' as const}),
  };
}

/** Whoever registers a client knows where. */
async function issuerOf(server: string): Promise<string> {
  const {authorizationServerMetadata: metadata, authorizationServerUrl} =
    await discoverOAuthServerInfo(server);
  return metadata?.issuer ?? authorizationServerUrl;
}

const SCENARIOS: Readonly<Record<string, (client: GatewayClient) => Promise<unknown>>> = {
  initialize: client => client.tools(),
  'request-metadata': client => client.tools(),
  'json-schema-ref-no-deref': client => client.tools(),
  async tools_call(client) {
    await client.tools();
    await client.call('add_numbers', {a: 5, b: 3});
  },
  'sse-retry': client => client.call('test_reconnection'),
  'elicitation-sep1034-client-defaults': client => client.call('test_client_elicitation_defaults'),
  async 'sep-2322-client-request-state'(client) {
    await client.call('test_mrtr_echo_state');
    await client.call('test_mrtr_no_state');
    await client.call('test_mrtr_unrelated');
    // Its answer breaks the protocol; what is checked is that it is not taken for a question.
    await client.call('test_mrtr_no_result_type').catch(() => undefined);
  },
  'http-standard-headers': everything,
  async 'http-custom-headers'(client) {
    await client.tools();
    for (const call of context.toolCalls ?? []) await client.call(call.name, call.arguments);
  },
  async 'http-invalid-tool-headers'(client) {
    for (const name of await client.tools())
      await client.call(name, {region: 'us-west1'}).catch((error: unknown) => console.error(name, error));
  },
};

/** Passes everything on but the question what is spoken there. */
async function withDiscovery(target: string): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then(body => {
      const message = body === '' ? {} : (JSON.parse(body) as {id?: unknown; method?: string});
      if (message.method === 'server/discover') {
        const result = {
          resultType: 'complete',
          ttlMs: 0,
          cacheScope: 'private',
          supportedVersions: ['2026-07-28'],
          capabilities: {
            tools: {},
            ...(scenario === 'http-standard-headers' && {resources: {}, prompts: {}}),
          },
          serverInfo: {name: 'scenario', version: '0'},
        };
        response.writeHead(200, {'content-type': 'application/json'});
        response.end(JSON.stringify({jsonrpc: '2.0', id: message.id, result}));
        return;
      }
      const onward = forward(target, {method: request.method, headers: request.headers}, answer => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const run = scenario.startsWith('auth/') ? asPerson : SCENARIOS[scenario];
if (!run) throw new Error(`there is no scenario ${scenario} here`);
const address = WITHOUT_DISCOVERY.has(scenario) ? await withDiscovery(url) : url;
const oauth = await registeredOAuth();
const definition = ServerDefinition.parse({
  name: 'scenario',
  endpoint: {type: 'http', url: address, ...(oauth && {oauth})},
  prefix: false,
});
const kept = await openTestStore();
const fixture = await coordinatorOf(kept.store, 'c-1', [definition]);
await run(
  new GatewayClient(fixture, {
    capabilities: {elicitation: {form: {applyDefaults: true}}},
    answer: withDefaults,
  }),
);
await fixture.stop();
await kept.remove();
process.exit(0);
