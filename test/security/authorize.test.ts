import assert from 'node:assert/strict';
import {METHODS, type Method, methodSpec} from '../../coordinator/protocol/commands/table.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {authorize} from '../../coordinator/security/authorize.ts';
import type {Principal} from '../../coordinator/security/principal.ts';

const client: Principal = {id: 'client:x', tenant: 'default', role: 'client'};
const coordinator: Principal = {id: 'coordinator:c', tenant: 'default', role: 'coordinator'};
const newcomer: Principal = {id: 'agent:token', tenant: 'default', role: 'agent'};
const agent: Principal = {...newcomer, id: 'agent:a-1', agentId: 'a-1'};

function allowed(principal: Principal, method: Method, params: object = {}): boolean {
  try {
    authorize(principal, method, params);
    return true;
  } catch (error) {
    assert.ok(isProtocolError(error, 'forbidden'));
    return false;
  }
}

const methods = Object.keys(METHODS) as Method[];

describe('authorization', () => {
  it('lets nobody send to the hub what only the hub sends', () => {
    for (const method of methods)
      if (methodSpec(method).direction.startsWith('hubTo'))
        for (const principal of [client, coordinator, agent])
          assert.equal(allowed(principal, method), false, method);
  });

  it('keeps clients from what agents say and agents from what clients say', () => {
    const params = {fence: {}, agentId: 'a-1', instance: {id: 'a-1'}};
    for (const method of methods) {
      const {direction} = methodSpec(method);
      if (direction === 'agentToHub') {
        assert.equal(allowed(client, method, params), false, method);
        assert.equal(allowed(coordinator, method, params), false, method);
        assert.equal(allowed(agent, method, params), true, method);
      }
      if (direction === 'clientToHub') {
        assert.equal(allowed(agent, method, params), false, method);
        assert.equal(allowed(coordinator, method, params), true, method);
      }
    }
  });

  it('keeps an agent from speaking for another, and from anything before it registers', () => {
    assert.equal(allowed(agent, 'mcpx.metrics.report', {agentId: 'a-2'}), false);
    assert.equal(allowed(agent, 'mcpx.metrics.report', {agentId: 'a-1'}), true);
    assert.equal(allowed(agent, 'mcpx.agent.register', {instance: {id: 'a-2'}}), false);
    assert.equal(allowed(newcomer, 'mcpx.agent.register', {instance: {id: 'a-2'}}), true);
    assert.equal(allowed(newcomer, 'mcpx.status.update', {}), false);
  });

  it('lets an agent write memory under a fence only, and steer no attempt', () => {
    assert.equal(allowed(agent, 'mcpx.memory.put', {key: 'k'}), false);
    assert.equal(allowed(agent, 'mcpx.memory.put', {key: 'k', fence: {}}), true);
    assert.equal(allowed(client, 'mcpx.memory.put', {key: 'k'}), true);
    assert.equal(allowed(agent, 'mcpx.attempt.control', {}), false);
    assert.equal(allowed(client, 'mcpx.attempt.control', {}), true);
  });

  it('lets only the administrator make tokens', () => {
    assert.equal(allowed(client, 'mcpx.token.create'), false);
    assert.equal(allowed(coordinator, 'mcpx.token.create'), true);
  });
});
