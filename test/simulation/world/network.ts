/** A network that loses, repeats, delays, reorders and replays messages, over links that can be cut or clogged in one direction. */
import type {Chance} from './chance.ts';
import type {Scheduler} from './scheduler.ts';

export interface NetworkWeather {
  /** Part of the messages that are lost, and that arrive twice. */
  loss: number;
  repeat: number;
  /** Part that is sent again by nobody, much later. */
  replay: number;
  /** Usual delay in ms. Delays are drawn one by one, so messages overtake each other. */
  delayMs: number;
  /** Part that takes `stragglerMs` instead. */
  stragglers: number;
  stragglerMs: number;
}

export const FAIR: Readonly<NetworkWeather> = {
  loss: 0,
  repeat: 0,
  replay: 0,
  delayMs: 1,
  stragglers: 0,
  stragglerMs: 0,
};

/** Shortest way from one machine to another. */
const FLOOR_MS = 0.1;
/** A stream sends again what was not acknowledged for so long. */
const RESEND_MS = 30;

export class Network {
  weather: NetworkWeather = {...FAIR};
  /** `a>b`: nothing gets from a to b. */
  readonly cut = new Set<string>();
  /** `a>b`: everything takes this many ms more. */
  readonly clogged = new Map<string, number>();
  sent = 0;
  lost = 0;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly chance: Chance,
  ) {}

  heal(): void {
    this.cut.clear();
    this.clogged.clear();
    this.weather = {...FAIR};
  }

  isCut(from: string, to: string): boolean {
    return this.cut.has(`${from}>${to}`);
  }

  /** `once`: the transport below does not repeat it. */
  send(from: string, to: string, deliver: () => void, once = false): void {
    const {chance, weather} = this;
    this.sent += 1;
    if (this.isCut(from, to) || chance.happens(weather.loss)) {
      this.lost += 1;
      return;
    }
    this.deliverLater(from, to, this.delay(), deliver);
    if (once) return;
    if (chance.happens(weather.repeat)) this.deliverLater(from, to, this.delay(), deliver);
    if (chance.happens(weather.replay)) this.deliverLater(from, to, chance.between(200, 5000), deliver);
  }

  /**
   * As a stream does it: behind what arrives at `after`, and what is lost on the way goes again. `done` hears whether it got there or the link was cut.
   * Returns when.
   */
  sendInOrder(from: string, to: string, after: number, done: (arrives: boolean) => void): number {
    this.sent += 1;
    const again = this.chance.happens(this.weather.loss) ? RESEND_MS : 0;
    const clog = this.clogged.get(`${from}>${to}`) ?? 0;
    const arrival = Math.max(after, this.scheduler.now + this.delay() + again + clog);
    this.scheduler.at(arrival, () => done(!this.isCut(from, to)));
    return arrival;
  }

  private deliverLater(from: string, to: string, delayMs: number, deliver: () => void): void {
    const clog = this.clogged.get(`${from}>${to}`) ?? 0;
    this.scheduler.after(delayMs + clog, () => {
      // What was under way when the link was cut is lost, too.
      if (!this.isCut(from, to)) deliver();
    });
  }

  private delay(): number {
    const {delayMs, stragglers, stragglerMs} = this.weather;
    return FLOOR_MS + this.chance.around(this.chance.happens(stragglers) ? stragglerMs : delayMs);
  }
}
