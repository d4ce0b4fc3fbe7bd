/** Plans of sessions, read from the coordinator's artifacts and remembered by their digest. */
import {Plan} from '../../protocol/plan/plan.ts';

/** The whole content of an artifact. Rejects with `notFound` when the coordinator has it no more. */
export type ReadArtifact = (sha256: string) => Promise<Uint8Array>;

/** Plans remembered at once. */
const MAX_PLANS = 32;

export class PlanReader {
  private readonly plans = new Map<string, Promise<Plan>>();

  constructor(private readonly readArtifact: ReadArtifact) {}

  /** `sha256` is the session record's `plan`. Rejects as the read does; the next call tries again. */
  read(sha256: string): Promise<Plan> {
    const known = this.plans.get(sha256);
    this.plans.delete(sha256);
    const plan = known ?? this.parse(sha256);
    this.plans.set(sha256, plan);
    const [oldest] = this.plans.keys();
    if (this.plans.size > MAX_PLANS && oldest !== undefined) this.plans.delete(oldest);
    return plan;
  }

  private async parse(sha256: string): Promise<Plan> {
    try {
      return Plan.parse(JSON.parse(new TextDecoder().decode(await this.readArtifact(sha256))));
    } catch (error) {
      this.plans.delete(sha256);
      throw error;
    }
  }
}
