/** `mcpx cluster`: the members that keep the facts together, and who leads them. */
import * as http from 'node:http';
import * as https from 'node:https';
import path from 'node:path';
import {type Command, Option} from 'commander';
import * as z from 'zod';
import {CLUSTER_PATH, type ClusterChange, MemberLeft} from '../handlers/clusterRequests.ts';
import {deferred} from '../runtime/deferred.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {ClusterFault, ClusterStatus} from '../store/embedded/clusterCalls.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, requireTarget, type Target} from './local/connect.ts';
import {readEndpoint} from './local/endpoint.ts';
import {connectOptions} from './local/options.ts';

/** `data` names the directory of a coordinator on this machine. */
type Options = ConnectOptions & JsonOption & {readonly data?: string | undefined};

const TIMEOUT_MS = 60_000;

export function addClusterCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const cluster = program
    .command('cluster')
    .description('The coordinators that keep the facts together: who belongs to them, and who leads.');
  const verb = (words: string, description: string): Command =>
    jsonOption(
      connectOptions(cluster.command(words).description(description)).addOption(
        new Option(
          '--data <directory>',
          'the coordinator on this machine that was started with this --data',
        ).conflicts(['connect', 'here']),
      ),
    );
  const run = async (options: Options, change?: ClusterChange): Promise<void> => {
    const target = await targetOf(options, io);
    const status = await ask(target, change);
    answer(io, options, status, textOf(status));
    done(EXIT.ok);
  };
  verb('status', 'The members as their leader sees them.').action((options: Options) => run(options));
  verb(
    'add <id> <url>',
    'Lets a coordinator in that was started with --join: it gets the log, and votes when it has caught up.',
  ).action((id: string, address: string, options: Options) =>
    run(options, {action: 'add', id, address: address.replace(/\/$/, '')}),
  );
  verb('remove <id>', 'Takes a member out for good. It stops; its name is not used again.').action(
    (id: string, options: Options) => run(options, {action: 'remove', id}),
  );
  verb('transfer [id]', 'Hands the lead of the store to that member, or to the one that is furthest.').action(
    (to: string | undefined, options: Options) =>
      run(options, to === undefined ? {action: 'transfer'} : {action: 'transfer', to}),
  );
}

async function targetOf(options: Options, io: CommandIo): Promise<Target> {
  if (options.data === undefined) return requireTarget(options, io);
  const directory = path.resolve(io.cwd, options.data);
  const endpoint = await readEndpoint(directory);
  if (endpoint) return {url: endpoint.url, token: endpoint.token, ca: endpoint.ca};
  throw new CoordinatorError('unavailable', `no coordinator runs on ${directory}`, {
    hint: 'Name the directory that a running coordinator was started with, or its address with --connect.',
  });
}

async function ask(target: Target, change: ClusterChange | undefined): Promise<ClusterStatus | MemberLeft> {
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
  return z.union([MemberLeft, ClusterStatus]).parse(body);
}

function textOf(status: ClusterStatus | MemberLeft): string {
  if ('left' in status)
    return `${status.left} has left the cluster ${status.cluster} and stops. Its name is not used again.\n`;
  const {cluster, leader, term, committed, changing, members} = status;
  const lead =
    leader === undefined ? 'NO LEADER: no majority can be reached, writes wait' : `led by ${leader}`;
  const head = `Cluster ${cluster}, ${lead}, term ${term}, entry ${committed}${changing ? ', members are changing' : ''}`;
  const lines = members.map(({id, address, role, leader: leads, lag, active}) => {
    const state = leads ? 'leads' : active === undefined ? '' : active ? behind(lag ?? 0) : 'does not answer';
    return `  ${id}  ${role}  ${address}  ${state}`.trimEnd();
  });
  return `${[head, ...lines].join('\n')}\n`;
}

function behind(entries: number): string {
  if (entries === 0) return 'up to date';
  return entries === 1 ? '1 entry behind' : `${entries} entries behind`;
}
