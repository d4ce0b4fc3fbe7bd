/** How many requests of one client, and of one principal, may be in work at once. */
import {ProtocolError} from '../protocol/errors.ts';
import type {Principal} from '../security/principal.ts';
import {Tally} from './clients.ts';
import type {McpSettings} from './mcpSettings.ts';
import type {SurfaceCaller} from './surface.ts';

export class Admission {
  private readonly byClient = new Tally();
  private readonly byPrincipal = new Tally();

  constructor(private readonly settings: McpSettings) {}

  get inWork(): number {
    return this.byPrincipal.all;
  }

  /** Returns what ends it. Throws `overloaded`. */
  enter({clientKey, principal}: SurfaceCaller): () => void {
    const {maxInFlight, maxInFlightPerPrincipal} = this.settings;
    const owner = principalKey(principal);
    if (this.byClient.of(clientKey) >= maxInFlight)
      throw new ProtocolError(
        'overloaded',
        `this client has ${maxInFlight} requests in work, and may have no more`,
      );
    if (this.byPrincipal.of(owner) >= maxInFlightPerPrincipal)
      throw new ProtocolError(
        'overloaded',
        `the clients of this token have ${maxInFlightPerPrincipal} requests in work, and may have no more`,
      );
    this.byClient.add(clientKey);
    this.byPrincipal.add(owner);
    return () => {
      this.byClient.remove(clientKey);
      this.byPrincipal.remove(owner);
    };
  }
}

export function principalKey({tenant, id}: Principal): string {
  return `${tenant}/${id}`;
}
