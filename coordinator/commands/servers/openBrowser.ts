/** Opens a page in the person's browser, where there is one. */
import {spawn} from 'node:child_process';

/** Never fails: the address is printed too. `url` is an http(s) one. */
export function openBrowser(url: string, env: Readonly<Record<string, string | undefined>>): void {
  const opener = openerOf(env);
  if (!opener || !/^https?:$/.test(new URL(url).protocol)) return;
  const [command = '', ...args] = opener;
  const child = spawn(command, [...args, url], {stdio: 'ignore', detached: true});
  child.on('error', () => undefined);
  child.unref();
}

/** No shell comes between: an address may have any sign in it. */
function openerOf(env: Readonly<Record<string, string | undefined>>): readonly string[] | undefined {
  if (process.platform === 'darwin') return ['open'];
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  return env['DISPLAY'] || env['WAYLAND_DISPLAY'] ? ['xdg-open'] : undefined;
}
