/**
 * A commit of files that the receiver has already, made without a repository: a bundle with one commit object in it. The format is git's own
 * (gitformat-bundle, gitformat-pack); what is in the commit is the caller's business.
 */
import {createHash} from 'node:crypto';
import {deflateSync} from 'node:zlib';
import {checkedCommit, commitRef} from './gitRepository.ts';
import {MCPX_IDENTITY} from './identity.ts';

export interface GraftedCommit {
  readonly tree: string;
  /** None twice. */
  readonly parents: readonly string[];
  /** A commit that brings the tree. */
  readonly holder: string;
  readonly message: string;
  /** Wall time in ms. */
  readonly at: number;
}

const COMMIT = 1;
const PACK_VERSION = 2;

/** The same commit for the same graft. Ids of 40 digits are SHA-1, of 64 SHA-256. Throws `git` for what is no id. */
export function graftCommit(graft: GraftedCommit): {commit: string; bundle: Buffer; prerequisites: string[]} {
  const {parents, holder} = graft;
  const format = checkedCommit(graft.tree).length === 64 ? 'sha256' : 'sha1';
  const content = commitObject(graft);
  const commit = createHash(format)
    .update(Buffer.concat([Buffer.from(`commit ${content.length}\0`), content]))
    .digest('hex');
  const prerequisites = [...new Set([...parents, holder])];
  const head = [
    ...(format === 'sha1' ? ['# v2 git bundle'] : ['# v3 git bundle', '@object-format=sha256']),
    ...prerequisites.map(id => `-${id}`),
    `${commit} ${commitRef(commit)}`,
    '',
    '',
  ];
  return {
    commit,
    bundle: Buffer.concat([Buffer.from(head.join('\n')), packOf(content, format)]),
    prerequisites,
  };
}

function commitObject({tree, parents, message, at}: GraftedCommit): Buffer {
  const {name, email} = MCPX_IDENTITY;
  const who = `${name} <${email}> ${Math.floor(at / 1000)} +0000`;
  const lines = [
    `tree ${tree}`,
    ...parents.map(parent => `parent ${checkedCommit(parent)}`),
    `author ${who}`,
    `committer ${who}`,
    '',
    message.replaceAll('\0', ''),
  ];
  return Buffer.from(lines.join('\n'));
}

function packOf(content: Buffer, format: 'sha1' | 'sha256'): Buffer {
  const head = Buffer.alloc(12);
  head.write('PACK', 'latin1');
  head.writeUInt32BE(PACK_VERSION, 4);
  head.writeUInt32BE(1, 8);
  const pack = Buffer.concat([head, objectHeader(COMMIT, content.length), deflateSync(content)]);
  return Buffer.concat([pack, createHash(format).update(pack).digest()]);
}

/** Type and size: four bits of the size beside the type, seven in each byte that follows. */
function objectHeader(type: number, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (type << 4) | (size & 0x0f);
  for (let left = Math.floor(size / 16); left > 0; left = Math.floor(left / 128)) {
    bytes.push(byte | 0x80);
    byte = left & 0x7f;
  }
  return Buffer.from([...bytes, byte]);
}
