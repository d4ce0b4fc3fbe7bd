/** Reads a zip file in memory, as far as packages of the editor are zip files: stored or deflated entries, no encryption, no ZIP64. */
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {inflateRawSync} from 'node:zlib';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const DEFLATED = 8;

/** Content by name, in the order of the file's directory. */
export function readZip(file: string): Map<string, Buffer> {
  const bytes = readFileSync(file);
  let end = bytes.length - END_BYTES;
  while (end >= 0 && bytes.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  assert.ok(end >= 0, `${file} is not a zip file`);
  const entries = new Map<string, Buffer>();
  let at = bytes.readUInt32LE(end + 16);
  for (let count = bytes.readUInt16LE(end + 10); count > 0; count--) {
    assert.equal(bytes.readUInt32LE(at), DIRECTORY_ENTRY);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map(offset => bytes.readUInt16LE(at + offset));
    const name = bytes.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + (nameBytes ?? 0));
    if (!name.endsWith('/')) entries.set(name, contentOf(bytes, at, name));
    at += ENTRY_BYTES + (nameBytes ?? 0) + (extraBytes ?? 0) + (commentBytes ?? 0);
  }
  return entries;
}

/** Every entry below `prefix`, as a file below `folder`. */
export function extractZip(file: string, prefix: string, folder: string): void {
  for (const [name, content] of readZip(file)) {
    if (!name.startsWith(prefix)) continue;
    const target = path.join(folder, name.slice(prefix.length));
    assert.ok(target.startsWith(folder + path.sep), `${name} leads out of the folder`);
    mkdirSync(path.dirname(target), {recursive: true});
    writeFileSync(target, content);
  }
}

function contentOf(bytes: Buffer, entry: number, name: string): Buffer {
  const method = bytes.readUInt16LE(entry + 10);
  const [packed, unpacked] = [bytes.readUInt32LE(entry + 20), bytes.readUInt32LE(entry + 24)];
  const local = bytes.readUInt32LE(entry + 42);
  assert.equal(bytes.readUInt32LE(local), LOCAL_HEADER);
  const start = local + LOCAL_BYTES + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  const data = bytes.subarray(start, start + packed);
  const content = method === DEFLATED ? inflateRawSync(data) : data;
  assert.equal(content.length, unpacked, `${name} is damaged`);
  return content;
}
