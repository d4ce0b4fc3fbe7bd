/** Which artifacts records name, themselves or through a list that they name. */

export interface NamingRecords {
  /** Every record of the tenant. */
  readonly records: AsyncIterable<{readonly value: string}>;
  /** Reads an artifact that may name others; undefined when there is none. */
  readonly read: (sha256: string) => Promise<Uint8Array | undefined>;
}

const DIGEST = /\b[0-9a-f]{64}\b/g;
/** Records that name a list of artifacts rather than the artifacts themselves. */
const LIST = /"bundleList":"([0-9a-f]{64})"/g;

/** Whatever looks like a digest in a record counts as a name: too much is kept rather than too little. Rejects when a list cannot be read. */
export async function namedArtifacts({records, read}: NamingRecords): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  const lists = new Set<string>();
  for await (const {value} of records) {
    for (const [digest] of value.matchAll(DIGEST)) named.add(digest);
    for (const [, list] of value.matchAll(LIST)) if (list !== undefined) lists.add(list);
  }
  for (const list of lists) {
    const content = await read(list);
    if (!content) continue;
    for (const [digest] of Buffer.from(content).toString('utf8').matchAll(DIGEST)) named.add(digest);
  }
  return named;
}
