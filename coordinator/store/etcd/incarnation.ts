/** The incarnation of a store in an etcd: made with the store, and made anew where its keys came into another cluster, as a restored backup does. */
import type {Etcd3} from 'etcd3';
import * as z from 'zod';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {EtcdCalls} from './calls.ts';
import type {CallOptions} from './endpoints.ts';
import type {KeySpace} from './keySpace.ts';

const Incarnation = z.looseObject({v: z.literal(1), incarnation: z.string().min(1), cluster: z.string()});
export type Incarnation = z.infer<typeof Incarnation>;

/** Reads it, or makes it: of several that try, one does. */
export async function claimIncarnation(
  calls: EtcdCalls,
  space: KeySpace,
  random: Random,
): Promise<Incarnation> {
  const key = space.incarnation;
  for (;;) {
    const {kvs, header} = await calls.read((client, options) => client.kv.range({key}, options));
    const [kv] = kvs;
    const present = kv && parseIncarnation(kv.value);
    if (present?.cluster === header.cluster_id) return present;
    const made: Incarnation = {v: 1, incarnation: random.hex(8), cluster: header.cluster_id};
    const mod_revision = kv?.mod_revision ?? 0;
    const request = {
      compare: [{key, target: 'Mod' as const, result: 'Equal' as const, mod_revision}],
      success: [{request_put: {key, value: Buffer.from(JSON.stringify(made))}}],
    };
    try {
      const {succeeded} = await calls.write((client, options) => client.kv.txn(request, options));
      if (succeeded) return made;
    } catch (error) {
      // Whether it was made shows when it is read again.
      if (!isCoordinatorError(error, 'timeout')) throw error;
    }
  }
}

/** Ends an incarnation whose history went backwards: fences made from here on are not those of the future that was lost. */
export async function endIncarnation(
  client: Etcd3,
  options: CallOptions,
  space: KeySpace,
  ended: Incarnation,
  random: Random,
): Promise<void> {
  const key = space.incarnation;
  const record = (incarnation: string): Buffer => Buffer.from(JSON.stringify({...ended, incarnation}));
  const compare = [
    {key, target: 'Value' as const, result: 'Equal' as const, value: record(ended.incarnation)},
  ];
  const success = [{request_put: {key, value: record(random.hex(8))}}];
  await client.kv.txn({compare, success}, options);
}

/** Whether the key still says what it said. */
export function isIncarnation(value: Buffer, {incarnation}: Incarnation): boolean {
  try {
    return parseIncarnation(value).incarnation === incarnation;
  } catch {
    return false;
  }
}

function parseIncarnation(value: Buffer): Incarnation {
  try {
    return Incarnation.parse(JSON.parse(value.toString('utf8')));
  } catch (cause) {
    throw new CoordinatorError('corrupt', 'what the etcd has under our prefix is not of this program', {
      cause,
      hint: 'Choose another prefix: etcd://HOST/PREFIX.',
    });
  }
}
