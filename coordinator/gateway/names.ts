/**
 * The names under which what servers offer appears: SERVER__NAME in 64 characters of a-z, A-Z, 0-9, `_` and `-`. Pure: the same offers give the
 * same names, whatever their order.
 */
import {createHash} from 'node:crypto';

export interface Offered<T> {
  readonly server: string;
  /** False: its names stay as they are. */
  readonly prefix: string | false;
  readonly name: string;
  readonly item: T;
}

const MAX_NAME = 64;
const DIGEST = 8;
export const SEPARATOR = '__';

/** Every offer under a name of its own. Of several with one name the only one that fits it unchanged keeps it; the others end in a digest. */
export function namesOf<T>(offers: readonly Offered<T>[]): Map<string, Offered<T>> {
  const wanted = new Map<string, Offered<T>[]>();
  for (const offer of offers) {
    const plain = plainName(offer);
    const others = wanted.get(plain);
    if (others) others.push(offer);
    else wanted.set(plain, [offer]);
  }
  const named = new Map<string, Offered<T>>();
  for (const [plain, claims] of wanted) {
    const fitting = claims.filter(offer => rawName(offer) === plain);
    const owner = fitting.length === 1 ? fitting[0] : undefined;
    for (const offer of claims) {
      const keeps = offer === owner || (claims.length === 1 && rawName(offer).length <= MAX_NAME);
      named.set(keeps ? plain : digestName(offer), offer);
    }
  }
  return named;
}

function rawName({prefix, name}: Offered<unknown>): string {
  return prefix === false ? name : `${prefix}${SEPARATOR}${name}`;
}

function plainName(offer: Offered<unknown>): string {
  return allowed(rawName(offer)).slice(0, MAX_NAME);
}

function digestName(offer: Offered<unknown>): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([offer.server, offer.name]))
    .digest('hex');
  return `${allowed(rawName(offer)).slice(0, MAX_NAME - DIGEST - 1)}_${digest.slice(0, DIGEST)}`;
}

function allowed(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]/g, '-');
}
