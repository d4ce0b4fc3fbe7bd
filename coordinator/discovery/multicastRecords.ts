/** What is said of one service in records of DNS, and what such records say. Pure. */
import type {ResponsePacket} from 'multicast-dns';
import {type FoundService, ServiceKind, ServiceName, serviceUrl} from './foundService.ts';

type Answer = ResponsePacket['answers'][number];

export const SERVICE_TYPE = '_mcpx._tcp.local';

export interface ServiceAnnouncement {
  readonly kind: ServiceKind;
  readonly id: string;
  /** `ws(s)://host:port`; of a wildcard host the addresses of the interfaces are said. */
  readonly url: string;
  readonly version: string;
}

export interface HeardService {
  readonly service: FoundService;
  /** 0: it says goodbye. */
  readonly ttlSeconds: number;
}

const WILDCARDS = new Set(['0.0.0.0', '[::]']);
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

/** One message holds all that is to be known. A host that is a name is said as it is: its certificate is for that name. */
export function serviceAnswers(
  {kind, id, url, version}: ServiceAnnouncement,
  own: readonly string[],
  ttl: number,
): {answers: Answer[]; additionals: Answer[]} {
  const {hostname, port, protocol} = new URL(url);
  const secure = protocol === 'wss:';
  const name = `${id}.${SERVICE_TYPE}`;
  const addresses = WILDCARDS.has(hostname) ? own : IPV4.test(hostname) ? [hostname] : [];
  const target = addresses.length > 0 ? `${id}.local` : hostname === 'localhost' ? `${id}.local` : hostname;
  const known = hostname === 'localhost' ? ['127.0.0.1'] : addresses;
  const data = [`kind=${kind}`, `id=${id}`, `tls=${secure ? 1 : 0}`, `version=${version}`];
  return {
    answers: [{name: SERVICE_TYPE, type: 'PTR', ttl, data: name}],
    additionals: [
      {
        name,
        type: 'SRV',
        ttl,
        data: {port: Number(port || (secure ? 443 : 80)), target, priority: 0, weight: 0},
      },
      {name, type: 'TXT', ttl, data: data.map(text => Buffer.from(text))},
      ...known.map((address): Answer => ({name: target, type: 'A', ttl, data: address})),
    ],
  };
}

/** Whatever is whole; the rest of a message is left out. `from` is its sender, for a host whose address is not in it. */
export function servicesIn(records: readonly Answer[], from: string): HeardService[] {
  const heard: HeardService[] = [];
  for (const pointer of records) {
    if (pointer.type !== 'PTR' || pointer.name !== SERVICE_TYPE) continue;
    const name = pointer.data;
    const server = records.find(record => record.type === 'SRV' && record.name === name);
    const text = records.find(record => record.type === 'TXT' && record.name === name);
    if (server?.type !== 'SRV' || text?.type !== 'TXT') continue;
    const facts = factsOf(text.data);
    const kind = ServiceKind.safeParse(facts.get('kind'));
    const id = ServiceName.safeParse(facts.get('id'));
    const {target, port} = server.data;
    const address = records.find(record => record.type === 'A' && record.name === target);
    const host = address?.type === 'A' ? address.data : target.endsWith('.local') ? from : target;
    const url = serviceUrl(facts.get('tls') === '1', host, port);
    if (!kind.success || !id.success || url === undefined) continue;
    const version = facts.get('version')?.slice(0, 64);
    heard.push({
      service: {kind: kind.data, id: id.data, url, source: 'multicast', version},
      ttlSeconds: pointer.ttl ?? 0,
    });
  }
  return heard;
}

function factsOf(data: Extract<Answer, {type: 'TXT'}>['data']): Map<string, string> {
  const texts = (Array.isArray(data) ? data : [data]).slice(0, 32).map(part => part.toString().slice(0, 256));
  return new Map(
    texts.flatMap(text => {
      const at = text.indexOf('=');
      return at > 0 ? [[text.slice(0, at), text.slice(at + 1)] as const] : [];
    }),
  );
}
