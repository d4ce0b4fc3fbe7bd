/** What a person does again when it closed under their hands. */

const ATTEMPTS = 3;
/** A list that opens does so within this, unless something else took the focus. */
const LIST_MS = 8000;

/** Runs `open` with a short limit, and again when that was not enough; the last time with the long one, whose failure is the caller's. */
export async function insist(open: (limitMs: number) => Promise<void>, longMs: number): Promise<void> {
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const done = await open(LIST_MS).then(
      () => true,
      () => false,
    );
    if (done) return;
  }
  await open(longMs);
}
