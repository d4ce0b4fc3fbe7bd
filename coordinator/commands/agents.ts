/** `mcpx agents`: every agent with its state, why it gets no work where it gets none, and how it has done; draining and releasing them. */
import {type Command, Option} from 'commander';
import type {McpxClient} from '../client/mcpxClient.ts';
import {silentLogger} from '../observability/logger.ts';
import type {DiscoveryCriteria} from '../protocol/instance.ts';
import {type InstanceStatus, InstanceStatusValue} from '../protocol/instance.ts';
import {meetsCriteria} from '../protocol/meetsCriteria.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {parseCapability} from './agent.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, snapshotRows, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {type AgentRow, agentText} from './report/agentText.ts';

interface ListOptions extends ConnectOptions, JsonOption {
  readonly capability: string[];
  readonly specialization: string[];
  readonly tag: string[];
  readonly region?: string;
  readonly status?: InstanceStatus[];
  readonly all: boolean;
}

type Options = ConnectOptions & JsonOption;

export function addAgentsCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const agents = program.command('agents');
  const verb = (name: string, description: string): Command =>
    jsonOption(connectOptions(agents.command(name).description(description)));
  const filters = agents
    .enablePositionalOptions()
    .description(
      'The agents of a coordinator: state, reasons, performance. Those that said goodbye are shown with --all.',
    );
  jsonOption(connectOptions(filters))
    .option('--capability <domain[:level[:specialization,…]]...>', 'that can at least this', [])
    .option('--specialization <name...>', 'that have this specialisation', [])
    .option('--tag <tag...>', 'that have this tag', [])
    .option('--region <name>', 'in this region')
    .addOption(new Option('--status <state...>', 'in this state').choices(InstanceStatusValue.options))
    .option('--all', 'those too that are gone', false)
    .action(async (options: ListOptions) => done(await listAgents(options, io)));
  verb('drain <agent>', 'It finishes what it has and gets nothing new.').action(
    async (agentId: string, options: Options) =>
      done(
        await tell(options, io, {agent: agentId, draining: true}, `${agentId} drains`, client =>
          client.request('mcpx.agent.drain', {agentId, drain: true}),
        ),
      ),
  );
  verb('release <agent>', 'It gets work again: ends its drain, its quarantine or its probation.').action(
    async (agentId: string, options: Options) =>
      done(
        await tell(
          options,
          io,
          {agent: agentId, released: true},
          `${agentId} gets work again`,
          async client => {
            await client.request('mcpx.agent.release', {agentId});
            await client.request('mcpx.agent.drain', {agentId, drain: false});
          },
        ),
      ),
  );
}

function listAgents(options: ListOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const criteria = criteriaOf(options);
    const rows = (await snapshotRows(client, {view: 'agents'}))
      .flatMap(row => (row.kind === 'agent' ? [row] : []))
      .filter(({agent, online}) => options.all || online || agent.instance.status !== 'offline')
      .filter(({agent}) => meetsCriteria(agent.instance, criteria))
      .sort((a, b) => (a.agent.instance.id < b.agent.instance.id ? -1 : 1));
    const {agents: histories} = await client.request('mcpx.agent.history', {});
    const classes = new Map(histories.map(({agentId, classes}) => [agentId, classes]));
    const shown = rows.map(
      ({agent, online}): AgentRow => ({agent, online, classes: classes.get(agent.instance.id) ?? []}),
    );
    const object = shown.map(({agent, online, classes}) => ({...agent, online, history: classes}));
    const text = shown.map(row => agentText(row, systemClock.wallNow())).join('');
    answer(io, options, {agents: object}, text === '' ? 'No agents.\n' : text);
    return EXIT.ok;
  });
}

function criteriaOf(options: ListOptions): DiscoveryCriteria {
  return {
    capabilities: options.capability.map(parseCapability),
    specializations: options.specialization,
    tags: options.tag,
    region: options.region,
    status: options.status,
  };
}

function tell(
  options: Options,
  io: CommandIo,
  object: object,
  said: string,
  act: (client: McpxClient) => Promise<unknown>,
): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    try {
      await act(client);
    } catch (error) {
      throw new CoordinatorError('notFound', 'nothing was changed', {
        cause: error,
        hint: '"mcpx agents --all" lists their names.',
      });
    }
    answer(io, options, object, `${said}.\n`);
    return EXIT.ok;
  });
}
