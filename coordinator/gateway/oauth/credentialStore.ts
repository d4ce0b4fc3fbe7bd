/** Where the credentials of logins are kept, as the gateway needs it. */
import type {ServerCredentials} from '../../protocol/model/serverOAuth.ts';

export interface KeptCredentials {
  readonly value: ServerCredentials;
  readonly modRevision: number;
}

/** Nobody else renews these tokens while it is held; it ends by itself with whoever holds it. */
export interface Renewal {
  /** Keeps them and ends; false when somebody has logged in or out meanwhile, whose word stands. */
  finish(next: ServerCredentials): Promise<boolean>;
  release(): Promise<void>;
}

export interface CredentialStore {
  /** As this coordinator knows them, which may be late. */
  known(server: string): ServerCredentials | undefined;
  /** As they are. */
  read(server: string): Promise<KeptCredentials | undefined>;
  /** Undefined when another coordinator is at it, or these are no longer what is kept. */
  renew(server: string, kept: KeptCredentials): Promise<Renewal | undefined>;
}
