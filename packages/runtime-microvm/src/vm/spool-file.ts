import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type OpenSpool, type Spool, SPOOL_BYTES } from '@berth/guest-protocol';

/** Right before the writable layer: see `commandLine`. */
const BACK = 1;

/** Makes the file that a machine's spool is; it takes no room until it is used. */
export function makeSpool(path: string): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    ftruncateSync(fd, SPOOL_BYTES);
  } finally {
    closeSync(fd);
  }
}

/** A machine's spool, from the host's side. The folder it lies in is the host's alone: the guest has the disk, not the file. */
export class SpoolFile implements Spool {
  readonly back = BACK;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<OpenSpool> {
    return new OpenSpoolFile(await open(this.#path, 'r+'));
  }
}

class OpenSpoolFile implements OpenSpool {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(at: number, pieces: readonly Buffer[]): Promise<void> {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    const { bytesWritten } = await this.#file.writev(pieces, at);
    // The rest, when it took only a part of it.
    if (bytesWritten < bytes) await this.write(at + bytesWritten, [Buffer.concat(pieces).subarray(bytesWritten)]);
  }

  async read(at: number, sizeBytes: number): Promise<Buffer> {
    const data = Buffer.allocUnsafeSlow(sizeBytes);
    const { bytesRead } = await this.#file.read(data, 0, sizeBytes, at);
    return data.subarray(0, bytesRead);
  }

  /** What was in it is given up: the folder may be in memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.truncate(SPOOL_BYTES);
    await this.#file.close();
  }
}
