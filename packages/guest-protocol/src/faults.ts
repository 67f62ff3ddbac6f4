import { Fault, type FaultKind } from '@berth/kit';

/** The codes an agent may answer with, and what kind of failure each is. */
const kinds: Readonly<Record<string, FaultKind>> = {
  'command-not-found': 'invalid',
  'command-not-executable': 'invalid',
  'user-not-found': 'invalid',
  'cwd-invalid': 'invalid',
  'sysctl-invalid': 'invalid',
  'rlimit-invalid': 'invalid',
  'limit-invalid': 'invalid',
  'signal-invalid': 'invalid',
  'mount-failed': 'internal',
  'memory-exhausted': 'exhausted',
  'disk-full': 'exhausted',
  'not-running': 'conflict',
  'no-terminal': 'conflict',
  'wrong-phase': 'conflict',
  'device-missing': 'internal',
  'network-failed': 'internal',
  'file-not-found': 'not-found',
  'not-a-directory': 'invalid',
  'cannot-overwrite': 'invalid',
  'archive-invalid': 'invalid',
  'file-failed': 'invalid',
  unsupported: 'unsupported',
};

/** What the agent answered, as a Fault. A code this host doesn't know is an internal failure. */
export function agentFault(code: string, message: string): Fault {
  return new Fault(kinds[code] ?? 'internal', kinds[code] === undefined ? 'agent-failed' : code, message);
}

/** The connection ended before the answer came. */
export function agentLost(): Fault {
  return new Fault('unavailable', 'agent-lost', 'the connection to the guest ended');
}

/** The other side speaks, but not this protocol. */
export function agentIncompatible(message: string): Fault {
  return new Fault('internal', 'agent-incompatible', message);
}
