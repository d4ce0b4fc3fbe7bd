/** `mcpx cluster`: the members that keep the facts together, and who leads them. */
import * as http from 'node:http';
import * as https from 'node:https';
import type {Command} from 'commander';
import {CLUSTER_PATH, type ClusterChange} from '../handlers/clusterRequests.ts';
import {deferred} from '../runtime/deferred.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {ClusterFault, ClusterStatus} from '../store/embedded/clusterCalls.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, requireTarget, type Target} from './local/connect.ts';
import {connectOptions} from './local/options.ts';

type Options = ConnectOptions & JsonOption;

const TIMEOUT_MS = 60_000;

export function addClusterCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const cluster = program
    .command('cluster')
    .description('The coordinators that keep the facts together: who belongs to them, and who leads.');
  const run = async (options: Options, change?: ClusterChange): Promise<void> => {
    const target = await requireTarget(options, io);
    const status = await ask(target, change);
    answer(io, options, status, textOf(status));
    done(EXIT.ok);
  };
  jsonOption(
    connectOptions(cluster.command('status').description('The members as their leader sees them.')),
  ).action((options: Options) => run(options));
  jsonOption(
    connectOptions(
      cluster
        .command('add <id> <url>')
        .description(
          'Lets a coordinator in that was started with --join: it gets the log, and votes when it has caught up.',
        ),
    ),
  ).action((id: string, address: string, options: Options) =>
    run(options, {action: 'add', id, address: address.replace(/\/$/, '')}),
  );
  jsonOption(
    connectOptions(
      cluster
        .command('remove <id>')
        .description('Takes a member out for good. It stops; its name is not used again.'),
    ),
  ).action((id: string, options: Options) => run(options, {action: 'remove', id}));
  jsonOption(
    connectOptions(
      cluster
        .command('transfer [id]')
        .description('Hands the lead to that member, or to the one that is furthest.'),
    ),
  ).action((to: string | undefined, options: Options) =>
    run(options, to === undefined ? {action: 'transfer'} : {action: 'transfer', to}),
  );
}

async function ask(target: Target, change: ClusterChange | undefined): Promise<ClusterStatus> {
  const url = new URL(CLUSTER_PATH, target.url.replace(/^ws/, 'http'));
  const arrived = deferred<string>();
  const options: https.RequestOptions = {
    method: change ? 'POST' : 'GET',
    headers: {authorization: `Bearer ${target.token ?? ''}`},
    timeout: TIMEOUT_MS,
    ...(target.ca === undefined ? {} : {ca: target.ca}),
  };
  const request = (url.protocol === 'https:' ? https : http).request(url, options, response => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('end', () => arrived.resolve(text));
    response.on('error', arrived.reject);
  });
  request.on('timeout', () => request.destroy(new CoordinatorError('timeout', 'no answer in time')));
  request.on('error', error =>
    arrived.reject(new CoordinatorError('unavailable', `cannot reach ${url.origin}`, {cause: error})),
  );
  request.end(change ? JSON.stringify(change) : undefined);
  const body: unknown = JSON.parse(await arrived.promise);
  const fault = ClusterFault.safeParse(body);
  if (fault.success)
    throw new CoordinatorError(fault.data.error.code, fault.data.error.message, {
      hint: fault.data.error.hint,
    });
  return ClusterStatus.parse(body);
}

function textOf(status: ClusterStatus): string {
  const {cluster, leader, term, committed, changing, members} = status;
  const lead =
    leader === undefined ? 'NO LEADER: no majority can be reached, writes wait' : `led by ${leader}`;
  const head = `Cluster ${cluster}, ${lead}, term ${term}, entry ${committed}${changing ? ', members are changing' : ''}`;
  const lines = members.map(({id, address, role, leader: leads, lag, active}) => {
    const state = leads
      ? 'leads'
      : active === undefined
        ? ''
        : active
          ? `${lag ?? 0} entries behind`
          : 'does not answer';
    return `  ${id}  ${role}  ${address}  ${state}`.trimEnd();
  });
  return `${[head, ...lines].join('\n')}\n`;
}
