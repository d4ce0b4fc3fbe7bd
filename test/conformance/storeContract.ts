/** The store's contract as tests: every driver must pass them all. A driver's own file calls `describeStoreContract` with a way to open it. */
import type {Store} from '../../coordinator/store/store.ts';
import {leaseTests, lifetimeTests} from './contractLifetimes.ts';
import {historyTests, rangeTests} from './contractReads.ts';
import type {StoreUnderTest} from './contractSupport.ts';
import {comparisonTests, limitTests, transactionTests} from './contractTransactions.ts';
import {watchTests} from './contractWatches.ts';

export function describeStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, () => {
    let under: StoreUnderTest;
    let store: Store;
    beforeEach(async () => {
      under = await open();
      store = under.store;
    });
    afterEach(() => under.dispose());

    describe('transactions', () => transactionTests(() => store));
    describe('comparisons', () => comparisonTests(() => store));
    describe('limits', () => limitTests(() => store));
    describe('ranges', () => rangeTests(() => store));
    describe('history', () => historyTests(() => store));
    describe('watches', () => watchTests(() => store));
    describe('leases', () => leaseTests(() => under));
    describe('lifetime', () => lifetimeTests(() => under));
  });
}
