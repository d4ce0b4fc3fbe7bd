/**
 * A client's socket into the hub of this very process: the frames, limits of the protocol and rights of a connection, without a door. What is asked
 * over it passes the same `authorize` as everything else.
 */
import {FrameTransport} from '../../bridge/frameTransport.ts';
import {Peer} from '../../bridge/peer.ts';
import type {OpenSocket} from '../../client/clientSocket.ts';
import {connectionCaller} from '../../hub/caller.ts';
import type {Hub} from '../../hub/hub.ts';
import type {Logger} from '../../observability/logger.ts';
import {supportsFeature} from '../../protocol/negotiation.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Principal} from '../../security/principal.ts';

export interface InProcessSocketOptions {
  readonly hub: Pick<Hub, 'dispatch'>;
  readonly principal: Principal;
  /** Names the connection in logs and in what hangs on it. */
  readonly connectionId: string;
  readonly implementation: {readonly name: string; readonly version: string};
  readonly logger: Logger;
}

export function inProcessSocket(options: InProcessSocketOptions): OpenSocket {
  const {hub, principal, connectionId, implementation, logger} = options;
  return (_target, events) => {
    const closing = new Emitter<void>();
    let open = true;
    const close = (): void => {
      if (!open) return;
      open = false;
      transport.end();
      closing.emit();
      closing.dispose();
      events.onClose({code: 1000, reason: ''});
    };
    // Each side sees a frame when the other has returned, as over a socket.
    const passOn = (take: (text: string) => void) => ({
      send(text: string): void {
        if (!open) throw new CoordinatorError('closed', 'the connection within the coordinator is closed');
        queueMicrotask(() => open && take(text));
      },
      close,
    });
    const transport = new FrameTransport(passOn(text => events.onFrame(text)));
    const peer = new Peer({implementation, logger});
    const connection = {
      id: connectionId,
      principal,
      peer,
      send: (frame: string): void => {
        if (open) transport.sendText(frame);
      },
      get sharesEvents() {
        return supportsFeature(peer.version, 'watch.shared');
      },
      // What is sent is taken at once: nobody reads slowly here.
      backlog: 0,
      onceDrained: (): Disposable => noDisposable,
      onClose(listener: () => void): Disposable {
        if (open) return closing.event(listener);
        listener();
        return noDisposable;
      },
    };
    peer.handle(call => hub.dispatch(call, connectionCaller(connection, call)));
    peer.attach(transport);
    queueMicrotask(() => open && events.onOpen());
    return passOn(text => void transport.receive(text));
  };
}
