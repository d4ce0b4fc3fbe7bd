/** Why a target of the benchmark is missed where it is: what the time goes to, as profiles of both sides show it. */
import type {Row} from '../statistics.ts';

/** The first whose pattern fits the figure's name. */
const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /over the wire; peer|watchers, over the wire/,
    'a put goes through the store, the view of the session and one frame for each connection of at most 256 watches; the client then parses ' +
      'each frame once and keeps a mirror of rows for each watch, which a watcher of etcd does not.',
  ],
  [
    /put x1:/,
    'one caller waits for one way there and back: leader, two followers and client are woken in turn, and each wakes a thread that writes to the ' +
      'disk. A single put finds no other to share frame, flush or turn with, and of two cores most of its time goes to waking processes up, on ' +
      'both sides: etcd in Go and ours in Node need about the same CPU for it.',
  ],
  [
    /inside the coordinator, put/,
    'on two cores three nodes with one loop each share what etcd spreads over threads; most of what is left of a put here is the frame, the write ' +
      'and the waking of its round, which all writes of a turn share: with more callers the ratio grows.',
  ],
  [
    /put x(64|256): (throughput|p99)/,
    'a put of shared memory is more than one of a key: it compares that the session lives, keeps version, writer, time and checksum (JSON and ' +
      'SHA-256), and every coordinator adds it to the views and to the journal of the session, which is compressed and copied to the others. Inside ' +
      'the coordinator a put takes about a third of its CPU over the wire; both cores are busy, and the median and the p99 follow the CPU.',
  ],
  [
    /linearizable get/,
    'a read waits for one round of the followers with all others of its turn; its CPU goes to JSON at both ends, where the value is parsed and ' +
      'checked against its checksum, and the client shares the two cores with three coordinators.',
  ],
  [
    /start until it answers/,
    'one thread reads the log or the snapshot, checks its sums and makes the objects of a million keys; etcd maps its file into memory and reads ' +
      'pages when they are asked for.',
  ],
  [
    /memory for one/,
    'a key is a record with its version and its place in an ordered index, as objects of a managed heap.',
  ],
  [
    /kill|lost|gap|leader/,
    'elections wait for whole periods of a clock of 50 ms, and the client has to find another coordinator.',
  ],
  [/log/, 'each append is handed to a thread and back, which a program in C that writes by itself is not.'],
];

/** One line for each target that was missed. */
export function reasonsOf(rows: readonly Row[]): string {
  const missed = rows.filter(({figure}) => !figure.ok);
  const told = new Map<string, string[]>();
  for (const {figure} of missed) {
    const reason = REASONS.find(([pattern]) => pattern.test(figure.name))?.[1] ?? 'not known';
    told.set(reason, [...(told.get(reason) ?? []), figure.name]);
  }
  return [...told].map(([reason, names]) => `missed: ${names.join(' | ')}\n  ${reason}`).join('\n');
}
