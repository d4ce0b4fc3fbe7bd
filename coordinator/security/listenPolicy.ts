/** Where a hub may listen without TLS: on loopback, nowhere else. */
import {isIP} from 'node:net';
import {CoordinatorError} from '../runtime/errors.ts';

/** `host` is an address or name to listen on. Throws `config` when it needs TLS and there is none. */
export function checkListenAddress(host: string, hasTls: boolean): void {
  if (hasTls || isLoopback(host)) return;
  throw new CoordinatorError(
    'config',
    `refusing to listen on ${host} without TLS: tokens would travel in the clear`,
    {
      hint: 'turn on TLS (--tls creates a cluster authority and a certificate), or listen on 127.0.0.1',
    },
  );
}

export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  if (isIP(address) === 4) return address.startsWith('127.');
  if (isIP(address) === 6) return address === '::1';
  return address.toLowerCase() === 'localhost';
}
