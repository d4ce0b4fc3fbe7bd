/** What clients ask of a store under test, drawn from chance: few keys, so that requests meet, and every value only once. */
import type {Txn} from '../../../coordinator/store/store.ts';
import type {StoreInput} from '../checker/storeModel.ts';
import type {Chance} from './chance.ts';

const KEYS = ['a', 'a/1', 'b', 'c'] as const;
const LEASED = ['l/1', 'l/2'] as const;

export class Requests {
  private asked = 0;

  constructor(
    private readonly name: string,
    private readonly chance: Chance,
  ) {}

  /** `lease`: one that the client holds. */
  draw(lease: string | undefined): StoreInput {
    const {chance} = this;
    const draw = chance.next();
    if (draw < 0.22) return {kind: 'get', key: chance.pick([...KEYS, ...LEASED])};
    if (draw < 0.3)
      return {kind: 'txn', txn: {then: [{kind: 'range', prefix: chance.pick(['', 'a', 'l/'])}]}};
    if (draw < 0.38 && lease === undefined) return {kind: 'grantLease', ttlSeconds: 1};
    if (draw < 0.5 && lease !== undefined) return this.drawLease(lease);
    return {kind: 'txn', txn: this.drawTxn()};
  }

  private drawLease(lease: string): StoreInput {
    const {chance} = this;
    if (chance.happens(0.1)) return {kind: 'revokeLease', lease};
    if (chance.happens(0.5)) return {kind: 'keepAlive', lease};
    return {kind: 'txn', txn: {then: [{kind: 'put', key: chance.pick(LEASED), value: this.value(), lease}]}};
  }

  private drawTxn(): Txn {
    const {chance} = this;
    const key = chance.pick(KEYS);
    const value = this.value();
    const draw = chance.next();
    if (draw < 0.4) return {then: [{kind: 'put', key, value}]};
    if (draw < 0.5) return {then: [{kind: 'delete', key}]};
    if (draw < 0.6)
      return {
        then: [
          {kind: 'deletePrefix', prefix: 'a'},
          {kind: 'put', key: 'b', value},
        ],
      };
    const [one = key, other = key] = chance.some(KEYS, 2);
    if (draw < 0.8)
      return {
        compare: [{key: one, target: 'version', op: '<', operand: 1 + chance.whole(4)}],
        then: [
          {kind: 'put', key: one, value},
          {kind: 'put', key: other, value},
        ],
        else: [
          {kind: 'delete', key: one},
          {kind: 'get', key: other},
        ],
      };
    return {
      compare: [{key, target: 'create', op: '=', operand: 0}],
      then: [{kind: 'put', key, value}],
      else: [{kind: 'range', prefix: ''}],
    };
  }

  /** Another each time, and another than every other client's. */
  value(): string {
    this.asked += 1;
    return `${this.name}-${this.asked}`;
  }
}
