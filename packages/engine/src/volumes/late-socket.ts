import { createConnection, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * A connection to a socket that is not served yet: what is written waits until it is. For the while in which a daemon has
 * taken up what runs, and does not answer requests.
 */
export function connectLater(path: string, served: Promise<void>): Duplex {
  let socket: Socket | undefined;
  const late: Duplex = new Duplex({
    construct(done) {
      void served.then(() => {
        if (late.destroyed) return;
        socket = createConnection({ path, allowHalfOpen: true });
        socket.once('connect', () => done());
        socket.once('error', (error) => late.destroy(error));
        socket.on('data', (data: Buffer) => {
          if (!late.push(data)) socket?.pause();
        });
        socket.once('end', () => late.push(null));
      });
    },
    read: () => void socket?.resume(),
    write: (data: Buffer, _encoding, done) => void socket?.write(data, done),
    final: (done) => void socket?.end(done),
    destroy(error, done) {
      socket?.destroy();
      done(error);
    },
  });
  return late;
}
