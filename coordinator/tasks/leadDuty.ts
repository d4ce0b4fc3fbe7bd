/** What only the coordinator that leads does beside deciding about tasks: begun with each of its terms, ended with it. */
import type {Compare} from '../store/store.ts';

export interface LeadDuty {
  /** This coordinator leads. Whatever the duty writes compares `fence`, which holds until somebody else may lead. */
  begin(fence: Compare): void;
  /** It leads no more. */
  end(): void;
  /** Before the lead is given up by choice: what the next one should not have to do. */
  flush?(): Promise<void>;
}

/** Begins them, and ends them when `signal` is aborted. */
export function beginDuties(duties: readonly LeadDuty[], fence: Compare, signal: AbortSignal): void {
  if (signal.aborted) return;
  for (const duty of duties) duty.begin(fence);
  const end = (): void => {
    for (const duty of duties) duty.end();
  };
  signal.addEventListener('abort', end, {once: true});
}
