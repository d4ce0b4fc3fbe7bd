/** The address after `--listen`. */
import {CoordinatorError} from '../../runtime/errors.ts';

/** Throws `config` for anything but `HOST:PORT` or `[HOST]:PORT`. */
export function parseListenAddress(text: string): {host: string; port: number} {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (!host || !(port >= 0 && port < 65_536)) {
    throw new CoordinatorError('config', `--listen: "${text}" is not HOST:PORT`, {
      hint: 'For example 127.0.0.1:7600, [::1]:7600 or 0.0.0.0:7600 (the last with --tls).',
    });
  }
  return {host, port};
}
