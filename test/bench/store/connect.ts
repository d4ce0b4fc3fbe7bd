/** A client as users have it, of the coordinator that is measured. */
import {connectClient, type McpxClient} from '../../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../../coordinator/client/nodeSocket.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';

export function connect(url: string, token: string): McpxClient {
  return connectClient({
    urls: [url],
    token: () => token,
    openSocket: nodeSocket(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    implementation: {name: 'mcpx-bench', version: '0'},
  });
}
