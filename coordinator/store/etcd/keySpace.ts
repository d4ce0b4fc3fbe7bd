/**
 * The keys of one store within an etcd that others may share: `PREFIX/k/` before every key of the store, `PREFIX/s/` before what the driver
 * keeps for itself. Pure.
 */

/** etcd's half-open interval of keys. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

export class KeySpace {
  /** All of the store, and the driver's own. */
  readonly whole: KeyRange;
  readonly incarnation: Buffer;
  readonly heartbeat: Buffer;
  /** The revision up to which history is forgotten. */
  readonly forgotten: Buffer;
  private readonly before: string;

  constructor(readonly prefix: string) {
    this.before = `${prefix}/k/`;
    this.whole = rangeOf(Buffer.from(`${prefix}/`));
    this.incarnation = Buffer.from(`${prefix}/s/incarnation`);
    this.heartbeat = Buffer.from(`${prefix}/s/heartbeat`);
    this.forgotten = Buffer.from(`${prefix}/s/forgotten`);
  }

  key(key: string): Buffer {
    return Buffer.from(this.before + key);
  }

  /** All keys with a prefix. */
  range(prefix: string): KeyRange {
    return rangeOf(this.key(prefix));
  }

  /** Those of them that follow `after` in an order. */
  rest(prefix: string, after: string, order: 'ascending' | 'descending'): KeyRange {
    const {key, range_end} = this.range(prefix);
    const border = this.key(after);
    if (order === 'descending') return {key, range_end: least(border, range_end)};
    // The least key above another is that with a zero byte behind it.
    const next = Buffer.concat([border, Buffer.from([0])]);
    return {key: next.compare(key) > 0 ? next : key, range_end};
  }

  /** The store's name of a key; undefined for the driver's own. */
  nameOf(key: Buffer): string | undefined {
    const text = key.toString('utf8');
    return text.startsWith(this.before) ? text.slice(this.before.length) : undefined;
  }
}

/** The prefix is of UTF-8, which has no byte 0xff, so its last byte can be raised. */
function rangeOf(prefix: Buffer): KeyRange {
  const range_end = Buffer.from(prefix);
  const last = range_end.length - 1;
  range_end.writeUInt8(range_end.readUInt8(last) + 1, last);
  return {key: prefix, range_end};
}

function least(a: Buffer, b: Buffer): Buffer {
  return a.compare(b) < 0 ? a : b;
}
