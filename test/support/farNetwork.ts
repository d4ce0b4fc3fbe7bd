/** The network that far agents are in: a namespace of their own where this machine has them, else the loopback of this one. */
import {NetworkNamespace, namespaceSupport} from './networkNamespace.ts';

export interface FarNetwork {
  /** Our address, as they see us. */
  readonly outside: string;
  /** What a command line begins with to run there. */
  readonly through: readonly string[];
  leave(): Promise<void>;
}

export interface ChosenNetwork {
  readonly network: FarNetwork;
  /** Why it is not a namespace. */
  readonly missing: string | undefined;
}

export function farNetwork(install: boolean): ChosenNetwork {
  const support = namespaceSupport(install);
  if (support.kind === 'ready') return {network: NetworkNamespace.create(), missing: undefined};
  const loopback: FarNetwork = {outside: '127.0.0.1', through: [], leave: async () => undefined};
  return {network: loopback, missing: support.why};
}
