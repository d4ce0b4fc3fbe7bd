/** Asks a real store for what the checker's model knows. */
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {Store} from '../../../coordinator/store/store.ts';
import type {StoreInput, StoreOutput} from './storeModel.ts';

/** Rejects as the store does, but that a transaction names no lease is an answer. */
export async function askStore(store: Store, input: StoreInput): Promise<StoreOutput> {
  switch (input.kind) {
    case 'get':
      return {kind: 'got', kv: await store.get(input.key)};
    case 'txn':
      try {
        return {kind: 'txn', result: await store.txn(input.txn)};
      } catch (error) {
        if (isCoordinatorError(error, 'notFound')) return {kind: 'noLease'};
        throw error;
      }
    case 'grantLease':
      return {kind: 'granted', lease: (await store.grantLease(input.ttlSeconds)).id};
    case 'keepAlive':
      return {kind: 'alive', alive: await store.keepAlive(input.lease)};
    case 'revokeLease':
      await store.revokeLease(input.lease);
      return {kind: 'revoked'};
  }
}
