import { Fault } from '@berth/kit';

export const defaultDetachKeys = 'ctrl-p,ctrl-q';

/** Reads `ctrl-p,ctrl-q`, `a,b` or `ctrl-[`: the bytes of the sequence. Fault `detach-keys-invalid`. */
export function parseDetachKeys(text: string): Buffer {
  const bytes = text.split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const letter = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (letter === undefined) throw new Fault('invalid', 'detach-keys-invalid', `Invalid detach keys (${text}) provided`);
    return letter >= 'a' && letter <= 'z' ? letter.charCodeAt(0) - 96 : letter.charCodeAt(0) - 64;
  });
  if (bytes.some((byte) => byte > 127)) throw new Fault('invalid', 'detach-keys-invalid', `Invalid detach keys (${text}) provided`);
  return Buffer.from(bytes);
}

/**
 * Watches a terminal's input for the detach sequence. Keys of a sequence under way are held back, and given on when it
 * breaks, so that the program never sees half of it.
 */
export class DetachWatch {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** What to give on, and whether the sequence is complete (then nothing after it counts). */
  push(data: Buffer): { readonly forward: Buffer; readonly detached: boolean } {
    const forward: Buffer[] = [];
    let from = 0;
    for (let at = 0; at < data.length; at++) {
      if (data[at] === this.#keys[this.#matched]) {
        if (this.#matched === 0) {
          forward.push(data.subarray(from, at));
          from = at;
        }
        this.#matched++;
        from = at + 1;
        if (this.#matched === this.#keys.length) {
          this.#matched = 0;
          return { forward: Buffer.concat(forward), detached: true };
        }
        continue;
      }
      if (this.#matched > 0) {
        forward.push(this.#keys.subarray(0, this.#matched));
        this.#matched = 0;
        from = at;
        // The key that broke the sequence may begin a new one.
        at--;
      }
    }
    forward.push(data.subarray(from));
    return { forward: Buffer.concat(forward), detached: false };
  }

  /** Input ended: keys still held back. */
  end(): Buffer {
    const held = this.#keys.subarray(0, this.#matched);
    this.#matched = 0;
    return held;
  }
}
