/** The names that may reach the file system: lower-case SHA-256 digests, tenants and uploaders. Everything else is refused before a path is built. */
import {CoordinatorError} from '../runtime/errors.ts';

const SHA256 = /^[0-9a-f]{64}$/;
/** Lower case only: on a file system without case two tenants must never share a folder. */
const TENANT = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9_-])?$/;
const UPLOADER = /^[a-z0-9]{1,32}$/;

export function isSha256(text: string): boolean {
  return SHA256.test(text);
}

export function isTenantName(text: string): boolean {
  return TENANT.test(text);
}

/** An uploader names one resumable upload of its own, so that two senders of one content never write into one file. */
export function isUploaderName(text: string): boolean {
  return UPLOADER.test(text);
}

export function checkedSha256(text: string): string {
  if (!isSha256(text)) throw new CoordinatorError('config', `not a SHA-256 digest: ${quoted(text)}`);
  return text;
}

export function checkedTenant(text: string): string {
  if (!isTenantName(text)) {
    throw new CoordinatorError('config', `not a tenant name: ${quoted(text)}`, {
      hint: 'use 1 to 63 lower-case letters, digits, ".", "_" or "-", starting with a letter or digit',
    });
  }
  return text;
}

export function checkedUploader(text: string): string {
  if (!isUploaderName(text)) throw new CoordinatorError('config', `not an uploader name: ${quoted(text)}`);
  return text;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
