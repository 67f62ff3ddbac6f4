import { closeSync, writeSync } from 'node:fs';

/** What the one who started the daemon is told meanwhile; JSON lines. */
export type ProgressMessage =
  | { readonly doing: string }
  | { readonly ready: object }
  | { readonly failed: { readonly message: string; readonly advice?: readonly string[]; readonly detail?: string } };

/** Writes to an inherited descriptor until the last word (`ready`, `failed`); nobody listening is no error. */
export class Progress {
  #fd: number | undefined;

  constructor(fd: number | undefined) {
    this.#fd = fd;
  }

  tell(message: ProgressMessage): void {
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, `${JSON.stringify(message)}\n`);
      if ('doing' in message) return;
      closeSync(this.#fd);
    } catch {
      // Whoever started us has gone.
    }
    this.#fd = undefined;
  }
}
