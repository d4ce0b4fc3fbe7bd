/** What the hub shows to MCP clients, in this order: its own tools over the parts of this coordinator, and the servers behind it. */
import {FencedSurface} from '../mcp/fencedSurface.ts';
import type {Surface} from '../mcp/surface.ts';
import type {AdmitAttempt} from '../mcp/tools/actor.ts';
import {HubSurface} from '../mcp/tools/hubSurface.ts';
import type {Logger} from '../observability/logger.ts';
import {Plan} from '../protocol/plan/plan.ts';
import type {Clock} from '../runtime/clock.ts';
import type {DisposableStore} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import type {Services} from './services.ts';

export interface HubSurfaceParts {
  /** JSON of the plan of this digest. */
  readonly readPlan: (sha256: string) => Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly owned: DisposableStore;
}

export function hubSurfaces(
  {hub, attemptTokens}: Services,
  servers: Surface,
  {readPlan, clock, random, logger, owned}: HubSurfaceParts,
): readonly Surface[] {
  const admitAttempt: AdmitAttempt = (credential, principal) => attemptTokens.current(credential, principal);
  const own = owned.add(
    new HubSurface({
      ...{hub, admitAttempt, clock, random},
      readPlan: async sha256 => Plan.parse(JSON.parse(await readPlan(sha256))),
      logger: logger.with({part: 'tools'}),
    }),
  );
  return [own, new FencedSurface(servers, admitAttempt)];
}
