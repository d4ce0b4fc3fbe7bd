/** The socket that a client needs, so that Node, browsers and tests can each bring theirs. */
import type {CloseInfo} from '../bridge/closeCodes.ts';
import type {FrameSink} from '../bridge/frameTransport.ts';

export interface SocketEvents {
  onOpen(): void;
  onFrame(text: string): void;
  /** Something came that is no frame: the other side lives. */
  onAlive(): void;
  /** Once, also when it never opened. `error` says why, for a person and for the decision to try again. */
  onClose(info: CloseInfo, error?: Error): void;
}

/** Starts to connect; never throws, failures arrive as `onClose`. */
export type OpenSocket = (
  target: {readonly url: string; readonly token: string | undefined},
  events: SocketEvents,
) => FrameSink;
