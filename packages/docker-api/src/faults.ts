import { randomBytes } from 'node:crypto';
import { Fault, type FaultKind } from '@berth/kit';

/** How a kind of fault is told in HTTP, as Docker's daemon does. */
const statusOf: Readonly<Record<FaultKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  precondition: 409,
  unchanged: 304,
  exhausted: 500,
  unsupported: 501,
  unavailable: 503,
  deadline: 500,
  internal: 500,
};

/** A thing of Docker's that Berth does not do yet. `what` is the subject of the sentence. */
export function notYet(what: string, instead?: string): Fault {
  return new Fault('unsupported', 'not-yet', `${what} not supported by Berth yet${instead === undefined ? '' : `: ${instead}`}`);
}

/** What Docker has and a virtual machine cannot have. */
export function cannotBe(what: string, why: string): Fault {
  return new Fault('unsupported', 'not-in-a-machine', `${what} is not possible with Berth: ${why}`);
}

export function invalid(code: string, message: string): Fault {
  return new Fault('invalid', code, message);
}

export interface Answer {
  readonly status: number;
  readonly message: string;
  /** Names the log entry of an internal error. */
  readonly id?: string;
}

/** A full disk can show itself anywhere, and the person at the client can do something about it. */
function isDiskFull(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if ('code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT' || cause.code === 'SQLITE_FULL')) return true;
  }
  return false;
}

/** What a client is told about any error. Only faults speak; anything else is named by an id to look up in the log. */
export function answerFor(error: unknown): Answer {
  if (isDiskFull(error)) return { status: 500, message: "no space left on device: Berth's state directory is full" };
  if (error instanceof Fault) {
    if (error.kind !== 'internal') return { status: statusOf[error.kind], message: error.message };
    const id = randomBytes(4).toString('hex');
    return { status: 500, message: `${error.message} (error ${id})`, id };
  }
  const id = randomBytes(4).toString('hex');
  return { status: 500, message: `internal error ${id}: Berth's log says more`, id };
}
