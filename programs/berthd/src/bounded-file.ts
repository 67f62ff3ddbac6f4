import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

/**
 * A log file that never grows beyond its bound: when it is full it becomes `<path>.1`, replacing the one before, and a new
 * one begins. Written synchronously, so that the last words before a crash are there. A full disk loses lines, not the
 * daemon.
 */
export class BoundedFile {
  readonly #path: string;
  readonly #limitBytes: number;
  #fd: number;
  #size: number;

  constructor(path: string, limitBytes: number) {
    this.#path = path;
    this.#limitBytes = limitBytes;
    this.#fd = openSync(path, 'a', 0o640);
    this.#size = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    try {
      if (this.#size + line.length > this.#limitBytes && this.#size > 0) this.#turn();
      this.#size += writeSync(this.#fd, line);
    } catch {
      // There is nowhere left to say it.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #turn(): void {
    renameSync(this.#path, `${this.#path}.1`);
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, 'a', 0o640);
    this.#size = 0;
  }
}
