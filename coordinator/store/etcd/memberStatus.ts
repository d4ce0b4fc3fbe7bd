/** What an etcd says of itself: members, leader, term, size. It changes seldom and is asked for now and then. */
import type {Logger} from '../../observability/logger.ts';
import type {StoreStatus} from '../store.ts';
import type {EtcdCalls} from './calls.ts';

type Present = Pick<StoreStatus, 'bytesOnDisk' | 'term' | 'leader' | 'isLeader' | 'members'>;

export class MemberStatus {
  private last: Present = {bytesOnDisk: 0, term: 0, leader: undefined, isLeader: false, members: []};

  constructor(
    private readonly calls: EtcdCalls,
    private readonly logger: Logger,
  ) {}

  get present(): Present {
    return this.last;
  }

  /** A failure is logged: what was known stays. */
  async refresh(): Promise<void> {
    try {
      const {members} = await this.calls.read(
        (client, options) => client.cluster.memberList({}, options),
        true,
      );
      const status = await this.calls.read((client, options) => client.maintenance.status(options), true);
      this.last = {
        bytesOnDisk: Number(status.dbSize),
        term: Number(status.raftTerm),
        leader: status.leader === '0' ? undefined : status.leader,
        // The lead among coordinators is another thing: no coordinator is a member of the etcd.
        isLeader: false,
        members: members.map(({ID, clientURLs, name}) => ({
          id: ID,
          address: clientURLs[0] ?? name,
          role: 'voter',
        })),
      };
    } catch (error) {
      this.logger.debug('the etcd does not tell of its members', {error});
    }
  }
}
