/** Many keys, written by transactions of as many operations as etcd takes. */

const KEYS_A_TXN = 128;
const LANES = 8;

export async function fillKeys(
  keys: number,
  write: (names: readonly string[]) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < keys) {
      const from = next;
      next += KEYS_A_TXN;
      const length = Math.min(KEYS_A_TXN, keys - from);
      await write(Array.from({length}, (_, at) => filledKey(from + at)));
    }
  };
  await Promise.all(Array.from({length: LANES}, lane));
}

export function filledKey(number: number): string {
  return `filled/${String(number).padStart(8, '0')}`;
}
