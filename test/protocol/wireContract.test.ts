/** The wire contract: its names, that every method is served, and that no schema changes without a decision about the version. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import * as z from 'zod';
import {
  isMethod,
  LATER_COMMANDS,
  MCPXCommand,
  METHODS,
  type Method,
  methodSpec,
} from '../../coordinator/protocol/commands/table.ts';
import {
  CoordinationMetadata,
  DistributionInfo,
  OrchestrationContext,
} from '../../coordinator/protocol/context.ts';
import {ERROR_CODES} from '../../coordinator/protocol/errors.ts';
import {EXTENSION_ID, META_KEYS, PROTOCOL_VERSION, SUBPROTOCOLS} from '../../coordinator/protocol/version.ts';
import {canonicalJson} from '../../coordinator/runtime/json.ts';
import {assertGolden} from '../golden.ts';

const FIXTURE = fileURLToPath(new URL('../testdata/protocol/contract.json', import.meta.url));

const jsonSchema = (schema: z.ZodType): unknown =>
  z.toJSONSchema(schema, {io: 'input', unrepresentable: 'any'});

function contractHash(): string {
  const methods = Object.entries(METHODS).map(([name, spec]) => [
    name,
    {...spec, params: jsonSchema(spec.params), result: jsonSchema(spec.result)},
  ]);
  const contract = {
    methods: Object.fromEntries(methods),
    context: [OrchestrationContext, CoordinationMetadata, DistributionInfo].map(jsonSchema),
    errors: ERROR_CODES,
    extension: EXTENSION_ID,
    meta: META_KEYS,
    subprotocols: SUBPROTOCOLS,
  };
  return createHash('sha256').update(canonicalJson(contract)).digest('hex');
}

describe('wire contract', () => {
  it('is the one that its version names', () => {
    const now = {version: PROTOCOL_VERSION, hash: contractHash()};
    if (process.env['UPDATE_GOLDEN']) {
      assertGolden(FIXTURE, `${JSON.stringify(now, undefined, 2)}\n`);
      return;
    }
    const stored: unknown = JSON.parse(readFileSync(FIXTURE, 'utf8'));
    assert.deepEqual(
      now,
      stored,
      'A schema of the method table, an error code or a reserved name has changed. Decide: an addition that older peers may ignore raises the ' +
        'minor of PROTOCOL_VERSION, anything else the major (and EXTENSION_ID); before the first release the version may stay. Then store ' +
        'the new hash: UPDATE_GOLDEN=1 npx mocha test/protocol/wireContract.test.ts',
    );
  });

  it('has the thirteen commands under their names', () => {
    assert.deepEqual(MCPXCommand, {
      ORCHESTRATE_SESSION_START: 'mcpx.orchestrate.session.start',
      ORCHESTRATE_SESSION_END: 'mcpx.orchestrate.session.end',
      ORCHESTRATE_TASK_ASSIGN: 'mcpx.orchestrate.task.assign',
      ORCHESTRATE_TASK_COMPLETE: 'mcpx.orchestrate.task.complete',
      COORDINATE_STATE_SYNC: 'mcpx.coordinate.state.sync',
      COORDINATE_DEPENDENCY_RESOLVE: 'mcpx.coordinate.dependency.resolve',
      COORDINATE_QUALITY_GATE: 'mcpx.coordinate.quality.gate',
      DISTRIBUTE_TASK_SPLIT: 'mcpx.distribute.task.split',
      DISTRIBUTE_LOAD_BALANCE: 'mcpx.distribute.load.balance',
      DISTRIBUTE_RESULT_MERGE: 'mcpx.distribute.result.merge',
      HEALTH_CHECK: 'mcpx.health.check',
      METRICS_REPORT: 'mcpx.metrics.report',
      STATUS_UPDATE: 'mcpx.status.update',
    });
    for (const command of Object.values(MCPXCommand)) assert.ok(isMethod(command), command);
  });

  it('goes the ways that were promised', () => {
    const directions: Partial<Record<Method, string>> = {
      'mcpx.orchestrate.session.start': 'clientToHub',
      'mcpx.orchestrate.session.end': 'clientToHub',
      'mcpx.orchestrate.task.assign': 'hubToAgent',
      'mcpx.orchestrate.task.complete': 'agentToHub',
      'mcpx.coordinate.state.sync': 'both',
      'mcpx.coordinate.dependency.resolve': 'agentToHub',
      'mcpx.coordinate.quality.gate': 'hubToAgent',
      'mcpx.distribute.task.split': 'agentToHub',
      'mcpx.distribute.load.balance': 'both',
      'mcpx.distribute.result.merge': 'hubToAgent',
      'mcpx.health.check': 'both',
      'mcpx.metrics.report': 'agentToHub',
      'mcpx.status.update': 'agentToHub',
    };
    for (const command of Object.values(MCPXCommand))
      assert.equal(methodSpec(command).direction, directions[command], command);
  });

  it('leaves no command to a later version', () => assert.deepEqual(LATER_COMMANDS, []));

  it('keeps every method below mcpx., and knows no inherited name', () => {
    for (const method of Object.keys(METHODS)) assert.match(method, /^mcpx(\.[a-z][A-Za-z]*){2,3}$/);
    for (const name of ['toString', 'constructor', '__proto__', 'initialize', ''])
      assert.ok(!isMethod(name), name);
  });

  it('has params and results that are objects, as MCP demands', () => {
    for (const [name, {params, result}] of Object.entries(METHODS)) {
      for (const schema of [params, result]) {
        assert.ok(!schema.safeParse([]).success, name);
        assert.ok(!schema.safeParse('text').success, name);
        assert.ok(!schema.safeParse(null).success, name);
      }
    }
  });

  it('can be described as JSON Schema', () => {
    for (const {params, result} of Object.values(METHODS))
      for (const schema of [params, result])
        for (const io of ['input', 'output'] as const) z.toJSONSchema(schema, {io, unrepresentable: 'any'});
  });
});
