/** What coordinators of one store ask each other, the commands that only the lead carries out, and where clients learn of all of them. */

import {parseParams} from '../bridge/wireErrors.ts';
import {carryOut} from '../cluster/passOn.ts';
import type {Caller} from '../hub/caller.ts';
import type {ClusterAddresses} from '../protocol/commands/cluster.ts';
import {
  isMethod,
  type Method,
  methodSpec,
  type Params,
  type ResultInput,
} from '../protocol/commands/table.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {Principal} from '../security/principal.ts';
import type {Services} from './services.ts';

/** Give every handler before the hub listens. */
export function serveCluster(services: Services): void {
  const {hub, ways, lead, coordinators} = services;
  const channel = hub.agentChannel();
  const commands = new Map<string, (params: object, principal: Principal) => Promise<object>>();
  const forLead = <M extends Method>(
    method: M,
    run: (params: Params<M>, principal: Principal) => Promise<ResultInput<M>>,
  ): void => {
    hub.handle(method, (params, caller) =>
      ways.lead.run(method, params, caller, () => run(params, caller.principal)),
    );
    commands.set(method, (params, principal) => run(parseParams(method, params), principal));
  };
  forLead('mcpx.orchestrate.session.start', (params, principal) => lead.startSession(params, principal));
  forLead('mcpx.orchestrate.session.end', (params, principal) => lead.endSession(params, principal));
  forLead('mcpx.session.control', (params, principal) => lead.controlSession(params, principal));
  forLead('mcpx.distribute.load.balance', (params, principal) => lead.balance(params, principal));
  forLead('mcpx.distribute.plan', (params, principal) => lead.planDistribution(params, principal));
  forLead('mcpx.cache.list', (params, principal) => lead.listCache(params, principal));
  forLead('mcpx.cache.clear', (params, principal) => lead.clearCache(params, principal));
  forLead('mcpx.mode.get', (params, principal) => lead.mode(params, principal));
  forLead('mcpx.mode.set', (params, principal) => lead.setMode(params, principal));
  forLead('mcpx.fleet.stop', (params, principal) => lead.stopFleet(params, principal));
  forLead('mcpx.coordinate.dependency.resolve', (params, principal) =>
    lead.resolveDependencies(params, principal),
  );

  forLead('mcpx.distribute.task.split', (params, principal) => lead.splitTask(params, principal));

  hub.handle('mcpx.cluster.command', async ({method, params, principal}) => {
    const run = commands.get(method);
    if (!run) throw notPassedOn(method);
    await ways.lead.checkLead();
    return carryOut(() => run(params, principal));
  });
  hub.handle('mcpx.cluster.deliver', ({agentId, method, params, timeoutMs}, {signal}) => {
    if (!isForAgents(method)) throw notPassedOn(method);
    // The agent checks them.
    const given = params as never;
    return carryOut(() => channel.send(agentId, method, given, {timeoutMs, signal, here: true}));
  });

  const told = new Map<string, Caller>();
  hub.handle('mcpx.cluster.addresses', (_params, caller) => {
    if (!told.has(caller.connectionId)) caller.onClose(() => told.delete(caller.connectionId));
    told.set(caller.connectionId, caller);
    return Promise.resolve(addresses(services));
  });
  coordinators.onChanged(() => {
    const now = addresses(services);
    for (const caller of told.values()) caller.notify('mcpx.cluster.moved', now);
  });
}

function isForAgents(method: string): method is Method {
  if (!isMethod(method)) return false;
  const {direction} = methodSpec(method);
  return direction === 'hubToAgent' || direction === 'both';
}

function notPassedOn(method: string): ProtocolError {
  return new ProtocolError('invalidParams', `${method} is not passed on between coordinators`);
}

function addresses({identity, coordinators}: Services): ClusterAddresses {
  return {
    self: {id: identity.coordinator, url: identity.url()},
    others: coordinators.others().map(({id, url}) => ({id, url})),
  };
}
