/** `mcpx discover`: which coordinators and listening agents are near, and whether they answer. */
import type {Command} from 'commander';
import {lookUpServices} from '../discovery/dnsServices.ts';
import type {FoundService} from '../discovery/foundService.ts';
import {HealthChecker, type ServiceHealth} from '../discovery/healthChecker.ts';
import {systemClock} from '../runtime/clock.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {listenAround} from './local/lookAround.ts';
import {milliseconds} from './local/options.ts';
import {printable} from './report/terminalText.ts';

interface Options extends JsonOption {
  readonly dns?: string;
  readonly dnsServer?: string;
  readonly wait: number;
}

const HEALTH_MS = 3000;

export function addDiscoverCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  jsonOption(
    program
      .command('discover')
      .description(
        'The coordinators and listening agents that announce themselves on the local network (--announce), or that SRV records name. Addresses only: joining needs a token and a pin.',
      ),
  )
    .option('--dns <name>', 'SRV records to read instead, such as _mcpx._tcp.example.org')
    .option('--dns-server <address>', "the resolver to ask; default: the system's")
    .option('--wait <ms>', 'how long to listen', milliseconds, 2000)
    .action(async (options: Options) => done(await discover(options, io)));
}

async function discover(options: Options, io: CommandIo): Promise<number> {
  const {dns, dnsServer, wait} = options;
  const found =
    dns === undefined
      ? await listenAround(io.env, wait)
      : await lookUpServices({name: dns, kind: 'coordinator', server: dnsServer});
  const checker = new HealthChecker({clock: systemClock, intervalMs: HEALTH_MS, timeoutMs: HEALTH_MS});
  const services = await Promise.all(
    found.map(async service => ({...service, health: await checker.check(service.url)})),
  );
  services.sort((a, b) => (a.url < b.url ? -1 : 1));
  const text = services.map(serviceText).join('');
  answer(io, options, {services}, text === '' ? 'Nobody was found.\n' : text);
  return EXIT.ok;
}

function serviceText({
  kind,
  id,
  url,
  version,
  health,
}: FoundService & {readonly health: ServiceHealth}): string {
  const state = health.kind === 'unhealthy' ? `does not answer: ${health.reason}` : 'answers';
  const of = version === undefined ? '' : `  mcpx ${version}`;
  return `${kind}  ${printable(id)}  ${url}${printable(of)}  ${printable(state)}\n`;
}
