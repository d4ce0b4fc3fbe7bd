/** Puts of records whose size depends on what an agent sent: too large is the sender's fault, said before the store would. */
import {ProtocolError} from '../protocol/errors.ts';
import {encodeRecord} from '../protocol/model/record.ts';
import {type Op, STORE_LIMITS} from '../store/store.ts';

/** Throws `tooLarge` when the record does not fit. */
export function boundedPut(key: string, value: object): Op {
  const text = encodeRecord(value);
  if (text.length * 3 > STORE_LIMITS.maxRecordBytes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > STORE_LIMITS.maxRecordBytes)
      throw new ProtocolError(
        'tooLarge',
        `the record would have ${bytes} bytes, at most ${STORE_LIMITS.maxRecordBytes} fit: keep large values as artifacts`,
        {bytes, maxBytes: STORE_LIMITS.maxRecordBytes},
      );
  }
  return {kind: 'put', key, value: text};
}
