/** A small real DNS server: answers SRV questions from a table, and that there is no such name otherwise. */
import {createSocket} from 'node:dgram';
import type {AddressInfo} from 'node:net';

export interface ServiceRecord {
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

const SRV = 33;
const IN = 1;

function nameBytes(name: string): Buffer {
  const labels = name
    .split('.')
    .map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

/** The name of the only question, and where its bytes end. */
function questionOf(message: Buffer): {name: string; end: number} {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return {name: labels.join('.').toLowerCase(), end: at + 5};
}

function answerOf({target, port, priority, weight}: ServiceRecord): Buffer {
  const data = Buffer.concat([Buffer.alloc(6), nameBytes(target)]);
  data.writeUInt16BE(priority, 0);
  data.writeUInt16BE(weight, 2);
  data.writeUInt16BE(port, 4);
  const head = Buffer.alloc(12);
  // The name is that of the question.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(SRV, 2);
  head.writeUInt16BE(IN, 4);
  head.writeUInt32BE(5, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

export async function startDns(
  records: Map<string, readonly ServiceRecord[]>,
): Promise<{readonly address: string; close(): Promise<void>}> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const {name, end} = questionOf(message);
    const answers = records.get(name) ?? [];
    const head = Buffer.from(message.subarray(0, 12));
    // A response, recursion available; 3: there is no such name.
    head.writeUInt16BE(0x8180 | (records.has(name) ? 0 : 3), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    head.writeUInt32BE(0, 8);
    socket.send(
      Buffer.concat([head, message.subarray(12, end), ...answers.map(answerOf)]),
      from.port,
      from.address,
    );
  });
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', () => resolve()));
  const {port} = socket.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    close: () => new Promise(resolve => socket.close(() => resolve())),
  };
}
