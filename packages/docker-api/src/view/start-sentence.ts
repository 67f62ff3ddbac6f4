import { Fault } from '@berth/kit';

/**
 * The docker CLI reads the exit code of a `run` that could not start from the words of the answer: 127 for a command that
 * isn't there, 126 for one that can't be executed, 125 for everything else. So these words matter.
 */
export function startSentence(error: unknown, command: string): unknown {
  if (!(error instanceof Fault)) return error;
  if (error.code === 'command-not-found' || error.code === 'command-not-executable') {
    return new Fault('invalid', error.code, `failed to create task for container: ${commandSentence(error, command)}`, { cause: error });
  }
  // Words that would make the CLI report a missing command where something else failed.
  const misleading = /executable file not found|no such file or directory|permission denied/i;
  if (misleading.test(error.message) && ['user-not-found', 'vm-failed', 'mount-failed', 'sysctl-invalid'].includes(error.code)) {
    return new Fault(error.kind, error.code, error.message.replace(misleading, 'not there or not allowed'), { cause: error });
  }
  return error;
}

/** As runc says it. */
export function commandSentence(error: Fault, command: string): string {
  if (error.code === 'command-not-executable') return `unable to start container process: exec: ${JSON.stringify(command)}: permission denied`;
  const reason = command.includes('/') ? `stat ${command}: no such file or directory` : 'executable file not found in $PATH';
  return `unable to start container process: exec: ${JSON.stringify(command)}: ${reason}`;
}
