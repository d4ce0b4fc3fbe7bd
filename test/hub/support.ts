/** A real hub on loopback, with tokens by role, and clients of it that close with the test. */

import {Connection, type ConnectionOptions} from '../../coordinator/client/connection.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {Hub, type HubOptions} from '../../coordinator/hub/hub.ts';
import type {Logger} from '../../coordinator/observability/logger.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {AgentRegister} from '../../coordinator/protocol/commands/agent.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import type {Principal} from '../../coordinator/security/principal.ts';

export const PRINCIPALS: Readonly<Record<string, Principal>> = {
  client: {id: 'client:one', tenant: 'default', role: 'client'},
  other: {id: 'client:two', tenant: 'other', role: 'client'},
  agent: {id: 'agent:token', tenant: 'default', role: 'agent'},
  admin: {id: 'coordinator:admin', tenant: 'default', role: 'coordinator'},
};

export interface HubFixture {
  readonly hub: Hub;
  readonly port: number;
  readonly url: string;
  connection(token: string, options?: Partial<ConnectionOptions>): Connection;
  close(): Promise<void>;
}

export async function hubFixture(
  options: Partial<HubOptions> = {},
  prepare: (hub: Hub) => void = () => undefined,
): Promise<HubFixture> {
  const logger: Logger = silentLogger;
  const hub = new Hub({
    coordinator: 'c-test',
    version: '0.0.0',
    authenticate: token => Promise.resolve(PRINCIPALS[token]),
    clock: systemClock,
    random: systemRandom,
    logger,
    ...options,
  });
  prepare(hub);
  const {port} = await hub.listen({host: '127.0.0.1', port: 0});
  const url = `ws://127.0.0.1:${port}`;
  const connections: Connection[] = [];
  return {
    hub,
    port,
    url,
    connection(token, own = {}) {
      const connection = new Connection({
        urls: [url],
        token: () => token,
        openSocket: nodeSocket(),
        clock: systemClock,
        random: systemRandom,
        logger,
        implementation: {name: 'test', version: '0.0.0'},
        settings: {minBackoffMs: 5, maxBackoffMs: 50, ...own.settings},
        ...own,
      });
      connections.push(connection);
      connection.start();
      return connection;
    },
    async close() {
      for (const connection of connections) connection.dispose();
      await hub.stop({graceMs: 200});
    },
  };
}

export function registration(agentId: string): AgentRegister {
  return {
    instance: {
      id: agentId,
      endpoint: `/agents/${agentId}`,
      capabilities: [],
      status: 'idle',
      metadata: {
        region: 'local',
        version: '1',
        maxConcurrentTasks: 1,
        specializations: [],
        performanceMetrics: {
          attemptsSucceeded: 0,
          attemptsFailed: 0,
          meanDurationMs: 0,
          costUsd: 0,
          inputTokens: 0,
          outputTokens: 0,
        },
        tags: [],
        resources: [],
        hostname: 'host',
        platform: 'linux',
        claude: {kind: 'disabled'},
        rehearsal: false,
      },
      healthcheck: {lastSeen: 0, responseTime: 0, errorRate: 0},
    },
    incarnation: 'incarnation-1',
    mode: 'external',
    attempts: [],
  };
}

export const REGISTERED = {coordinator: 'c-test', store: 's', leaseSeconds: 10, heartbeatMs: 1000, stale: []};
