/** A client of etcd in C: h2load of nghttp2, which sends the same gRPC request over and over. */
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {readFile, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {aptInstall} from '../../support/aptInstall.ts';
import {keyOf, type Load, type LoadResult, resultOf, VALUE} from './load.ts';
import type {LoadSubject} from './subject.ts';

const PROGRAM = '/usr/bin/h2load';
/** Wire types of protobuf: the first and the second field, of bytes. */
const FIELD = {key: 0x0a, value: 0x12} as const;
const PATHS = {put: '/etcdserverpb.KV/Put', get: '/etcdserverpb.KV/Range'} as const;

/** Throws where it is neither there nor could be installed. */
export function installH2load(): void {
  if (!existsSync(PROGRAM)) aptInstall(['nghttp2-client']);
  if (!existsSync(PROGRAM)) throw new Error('h2load is not installed: apt-get install nghttp2-client');
}

export class H2load implements LoadSubject {
  readonly name = 'etcd by C';

  constructor(
    /** `host:port` */
    private readonly endpoint: string,
    private readonly folder: string,
  ) {}

  async run({operation, lanes, ms}: Load): Promise<LoadResult> {
    const body = path.join(this.folder, `h2load-${operation}.bin`);
    const log = path.join(this.folder, 'h2load.log');
    await rm(log, {force: true});
    await writeFile(
      body,
      grpcFrame(
        operation === 'put'
          ? [
              [FIELD.key, keyOf(0)],
              [FIELD.value, VALUE],
            ]
          : [[FIELD.key, keyOf(0)]],
      ),
    );
    const output = await outputOf([
      // One connection, as the Node client has; with more of them etcd is slower.
      ...['-c', '1', '-t', '1', '-m', String(lanes)],
      ...['--duration', String(Math.ceil(ms / 1000)), '--warm-up-time', '0'],
      ...['-d', body, '-H', 'content-type: application/grpc', '-H', 'te: trailers', `--log-file=${log}`],
      `http://${this.endpoint}${PATHS[operation]}`,
    ]);
    if (!/ 0 failed, 0 errored, 0 timeout/.test(output)) throw new Error(`h2load had failures:\n${output}`);
    const lines = (await readFile(log, 'utf8'))
      .trim()
      .split('\n')
      .map(line => line.split('\t').map(Number));
    const waits = lines.map(([, , microseconds = Number.NaN]) => microseconds / 1000);
    const seconds = Number(/finished in ([0-9.]+)s/.exec(output)?.[1]);
    return resultOf(waits, seconds * 1000);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

function grpcFrame(fields: readonly (readonly [number, string])[]): Buffer {
  const message = Buffer.concat(
    fields.flatMap(([tag, text]) => [Buffer.from([tag, ...varint(text.length)]), Buffer.from(text)]),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)];
}

function outputOf(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(PROGRAM, args, {stdio: ['ignore', 'pipe', 'pipe']});
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('close', code =>
      code === 0 ? resolve(output) : reject(new Error(`h2load failed:\n${output}`)),
    );
  });
}
