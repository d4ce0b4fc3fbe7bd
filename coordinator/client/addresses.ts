/** The addresses of one cluster, as a client knows them: those that it was given, and those that the coordinators have told it. Pure. */
import type {ClusterAddresses} from '../protocol/commands/cluster.ts';

export class Addresses {
  private learnt: readonly string[];

  constructor(
    private readonly given: readonly string[],
    /** Of an earlier connection. */
    learnt: readonly string[] = [],
  ) {
    this.learnt = learnt;
  }

  /** In the order in which they are tried. */
  get all(): readonly string[] {
    return [...new Set([...this.given, ...this.learnt])];
  }

  get first(): string {
    return this.all[0] ?? '';
  }

  /** The one to try when `url` was in vain. */
  after(url: string): string {
    const {all} = this;
    return all[(all.indexOf(url) + 1) % all.length] ?? url;
  }

  /**
   * Takes what the coordinator at `url` says; answers the addresses to keep when they are new. Without TLS nobody proves that he is who he says, so
   * a client that came by a tunnel keeps to it: behind the others' addresses may be anything of its own machine.
   */
  take(url: string, {self, others}: ClusterAddresses): readonly string[] | undefined {
    const {protocol} = new URL(url);
    if (protocol !== 'wss:' && !sameDoor(url, self.url)) return undefined;
    const told = [self, ...others]
      .map(({url: other}) => other)
      .filter(other => URL.canParse(other) && new URL(other).protocol === protocol);
    if (told.length === this.learnt.length && told.every(other => this.learnt.includes(other)))
      return undefined;
    this.learnt = told;
    return told;
  }
}

function sameDoor(a: string, b: string): boolean {
  return URL.canParse(a) && URL.canParse(b) && doorOf(a) === doorOf(b);
}

function doorOf(url: string): string {
  const {protocol, hostname, port} = new URL(url);
  const host = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname) ? 'loopback' : hostname;
  return `${protocol}//${host}:${port}`;
}
