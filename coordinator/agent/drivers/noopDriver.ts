/** Does nothing, at once: for load tests of everything around a driver. */
import type {Driver, DriverOutcome, DriverRun} from '../driver.ts';

const SUCCEEDED: DriverOutcome = {kind: 'succeeded', summary: 'nothing to do'};
const no = (): Promise<boolean> => Promise.resolve(false);
const RUN: DriverRun = {
  outcome: Promise.resolve(SUCCEEDED),
  send: () => false,
  interrupt: no,
  setModel: no,
  setPermissionMode: no,
  cancel: () => undefined,
};

export const noopDriver: Driver = {name: 'noop', start: () => RUN};
