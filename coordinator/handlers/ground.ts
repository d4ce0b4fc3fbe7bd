/** What every part of a coordinator is made from, opened before them. */
import type {AttemptTokens} from '../cluster/attemptTokens.ts';
import type {CoordinatorDirectory} from '../cluster/coordinatorDirectory.ts';
import type {CoordinatorOptions} from '../coordinatorOptions.ts';
import type {DataDirectory} from '../dataDirectory.ts';
import type {Fences} from '../effects/fences.ts';
import type {DisposableStore} from '../runtime/disposable.ts';
import type {AuditLog} from '../security/audit.ts';
import type {ClusterAuthority} from '../security/clusterAuthority.ts';
import type {TokenRegistry} from '../security/tokenRegistry.ts';
import type {Store} from '../store/store.ts';
import type {CoordinatorArtifacts} from './coordinatorArtifacts.ts';

export interface Ground {
  readonly options: CoordinatorOptions;
  readonly data: DataDirectory;
  readonly store: Store;
  readonly authority: ClusterAuthority | undefined;
  readonly artifacts: CoordinatorArtifacts;
  readonly tokens: TokenRegistry;
  readonly attemptTokens: AttemptTokens;
  readonly fences: Fences;
  readonly audit: AuditLog;
  readonly coordinators: CoordinatorDirectory;
  /** Ends with the coordinator. */
  readonly owned: DisposableStore;
}
