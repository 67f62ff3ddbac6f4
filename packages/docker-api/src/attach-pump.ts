import { DetachWatch, frame } from '@berth/docker-wire';
import type { Attachment } from '@berth/engine';
import type { TakenConnection } from './hijack.ts';

const rawStream = 'application/vnd.docker.raw-stream';
const multiplexedStream = 'application/vnd.docker.multiplexed-stream';

/** What a stream is called: since 1.42 Docker tells framed streams from raw ones. */
export function streamType(terminal: boolean, minor: number): string {
  return terminal || minor < 42 ? rawStream : multiplexedStream;
}

export interface PumpOptions {
  readonly terminal: boolean;
  readonly stdin: boolean;
  /** Bytes of the detach sequence; only terminals have one. */
  readonly detachKeys: Buffer | undefined;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Stops the attachment (never the process). */
  readonly stop: () => void;
}

/**
 * Carries bytes between a client and a process until the process ends, the client goes, or the detach keys are typed;
 * says whether it was the keys. The client's end of input ends the process's, and nothing else.
 */
export async function pump(connection: TakenConnection, attachment: Attachment, options: PumpOptions): Promise<'ended' | 'detached'> {
  let detached = false;
  const watch = options.terminal && options.detachKeys !== undefined ? new DetachWatch(options.detachKeys) : undefined;
  connection.read(
    async (data) => {
      if (!options.stdin || detached) return;
      if (watch === undefined) return attachment.writeStdin(data);
      const seen = watch.push(data);
      if (seen.forward.length > 0) await attachment.writeStdin(seen.forward);
      if (seen.detached) {
        detached = true;
        options.stop();
      }
    },
    async () => {
      if (!options.stdin || detached) return;
      const held = watch?.end();
      if (held !== undefined && held.length > 0) await attachment.writeStdin(held);
      await attachment.endStdin();
    },
  );
  try {
    for await (const piece of attachment.output) {
      if (detached) break;
      if (!options.terminal && !(piece.stream === 'stdout' ? options.stdout : options.stderr)) continue;
      if (!(await connection.write(options.terminal ? piece.data : frame(piece.stream, piece.data)))) break;
    }
  } catch (error) {
    if (!detached && !connection.signal.aborted) throw error;
  } finally {
    options.stop();
  }
  return detached ? 'detached' : 'ended';
}
