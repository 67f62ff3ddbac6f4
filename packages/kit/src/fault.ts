/** What went wrong, in the terms of whoever asked. Each edge maps a kind to its own status codes in one table. */
export type FaultKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'precondition'
  | 'unchanged'
  | 'exhausted'
  | 'unsupported'
  | 'unavailable'
  | 'deadline'
  | 'internal';

/** The one error type that crosses package borders. `message` is for the user, `detail` for the log. */
export class Fault extends Error {
  readonly kind: FaultKind;
  readonly code: string;
  readonly detail: string | undefined;

  constructor(kind: FaultKind, code: string, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.kind = kind;
    this.code = code;
    this.detail = options.detail;
  }
}

export function isFault(error: unknown, code?: string): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}
