/** A host whose agents reach the coordinators by a slow link alone, and how slow it is at present. */
import type {HostNetwork} from '../../support/hostNetwork.ts';
import type {SlowLinksOptions, Slowness} from '../../support/slowLinks.ts';
import {SlowUplink} from '../../support/slowUplink.ts';

/** As over a mobile network, always; and when it is bad. */
const USUAL: Slowness = {delayMs: 80, bytesPerSecond: 500_000};
const BAD: Slowness = {delayMs: 1200, bytesPerSecond: 20_000};

export class SlowHost {
  private bad = 0;

  private constructor(private readonly link: SlowUplink) {
    void link.be(USUAL);
  }

  /** `uplink` is the host that carries what `host` sends. */
  static async start(
    network: HostNetwork,
    hosts: {readonly host: string; readonly uplink: string},
    targets: SlowLinksOptions['targets'],
  ): Promise<SlowHost> {
    return new SlowHost(await SlowUplink.start(network, hosts, targets));
  }

  /** Returns what makes it as usual again. */
  worsen(): () => void {
    this.bad += 1;
    void this.link.be(BAD);
    return () => {
      this.bad -= 1;
      if (this.bad === 0) void this.link.be(USUAL);
    };
  }

  stop(): Promise<void> {
    return this.link.stop();
  }
}
