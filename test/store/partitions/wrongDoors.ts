/** Doors that are wrong on purpose, each in a way that stores have been wrong in: the test must find them out. */
import type {Door, LocalState, Reply} from './door.ts';

export const WRONGS = ['staleReads', 'forgottenWrites', 'repeatedWrites', 'droppedEvents'] as const;
export type Wrong = (typeof WRONGS)[number];

/** One in so many is treated wrongly, where not all are. */
const EVENT = 40;
const WRITE = 5;
const STALE_MS = 1000;

export function wronged(doors: Door[], wrong: Wrong | undefined): Door[] {
  return wrong === undefined ? doors : doors.map(door => ({...plain(door), ...WAYS[wrong](door)}));
}

const WAYS: Readonly<Record<Wrong, (door: Door) => Partial<Door>>> = {
  /** Reads are answered from what was read a while ago. */
  staleReads: door => {
    let known: {readonly at: number; readonly state: LocalState} | undefined;
    return {
      async ask(input) {
        if (input.kind !== 'get') return door.ask(input);
        if (!known || performance.now() - known.at > STALE_MS) {
          const state = await door.local();
          if (!state) return {kind: 'refused', why: `${door.name} is lost`};
          known = {at: performance.now(), state};
        }
        const kv = known.state.kvs.find(({key}) => key === input.key);
        return {kind: 'answer', output: {kind: 'got', kv}};
      },
    };
  },
  /** A write is acknowledged while it is only tried. */
  forgottenWrites: door => ({
    async ask(input) {
      const reply = await door.ask(input);
      const isPlainPut = input.kind === 'txn' && !input.txn.compare && input.txn.then[0]?.kind === 'put';
      const state = reply.kind !== 'answer' && isPlainPut ? await door.local() : undefined;
      if (!state || input.kind !== 'txn') return reply;
      const responses = input.txn.then.map(() => ({kind: 'put'}) as const);
      const result = {succeeded: true, revision: state.revision + 1, responses};
      return {kind: 'answer', output: {kind: 'txn', result}};
    },
  }),
  /** A write is sent twice, as after an answer that was lost. */
  repeatedWrites: door => {
    let writes = 0;
    return {
      async ask(input) {
        const first = await door.ask(input);
        if (input.kind !== 'txn' || first.kind !== 'answer') return first;
        writes += 1;
        return writes % WRITE === 0 ? await again(door, input, first) : first;
      },
    };
  },
  /** A revision is left out. */
  droppedEvents: door => {
    let seen = 0;
    return {
      watch: (prefix, from, listener) =>
        door.watch(prefix, from, message => {
          seen += 1;
          if (message.kind !== 'events' || seen % EVENT !== 0) listener(message);
        }),
    };
  },
};

async function again(door: Door, input: Parameters<Door['ask']>[0], first: Reply): Promise<Reply> {
  const second = await door.ask(input);
  return second.kind === 'answer' ? second : first;
}

/** Methods of a class are not copied by spreading it. */
function plain(door: Door): Door {
  return {
    name: door.name,
    ask: input => door.ask(input),
    local: () => door.local(),
    watch: (prefix, from, listener) => door.watch(prefix, from, listener),
    close: () => door.close(),
  };
}
