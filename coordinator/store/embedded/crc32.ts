/** CRC-32 (IEEE 802.3), by Node's zlib where it has it, else by table, eight bytes a step. */
import * as zlib from 'node:zlib';

type Crc32 = (bytes: Uint8Array, seed?: number) => number;

const native: unknown = Reflect.get(zlib, 'crc32');

/** The checksum of `bytes`, continuing from `seed`, the checksum of what came before. */
export const crc32: Crc32 = isCrc32(native) ? native : tableCrc32;

function isCrc32(candidate: unknown): candidate is Crc32 {
  return typeof candidate === 'function';
}

/** Eight tables of 256: table k advances a byte over k further zero bytes. */
const TABLES = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] ?? 0);
  }
  return tables;
}

export function tableCrc32(bytes: Uint8Array, seed = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const t = (table: number, byte: number): number => TABLES[table * 256 + (byte & 0xff)] ?? 0;
  let crc = ~seed;
  let at = 0;
  for (const last = bytes.length - 8; at <= last; at += 8) {
    const low = view.getInt32(at, true) ^ crc;
    const high = view.getInt32(at + 4, true);
    crc =
      t(7, low) ^
      t(6, low >>> 8) ^
      t(5, low >>> 16) ^
      t(4, low >>> 24) ^
      t(3, high) ^
      t(2, high >>> 8) ^
      t(1, high >>> 16) ^
      t(0, high >>> 24);
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ t(0, crc ^ view.getUint8(at));
  return ~crc >>> 0;
}
