import { Fault, isFault } from '@berth/kit';

export interface StartFailure {
  /** What becomes the container's, or the exec's, exit code. */
  readonly exitCode: number;
  /** In the words by which Docker's clients tell 127 and 126 from 125. */
  readonly fault: Fault;
}

/** Why a process could not be executed, told as the real daemon tells it. */
export function startFailure(error: unknown, args: readonly string[], what: 'create' | 'exec'): StartFailure {
  const command = args[0] ?? '';
  const prefix =
    what === 'create'
      ? 'failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process: '
      : 'OCI runtime exec failed: exec failed: unable to start container process: ';
  if (isFault(error, 'command-not-found')) {
    const reason = command.includes('/') ? `stat ${command}: no such file or directory` : 'executable file not found in $PATH';
    return { exitCode: 127, fault: new Fault('invalid', error.code, `${prefix}exec: "${command}": ${reason}: unknown`, { cause: error }) };
  }
  if (isFault(error, 'command-not-executable')) {
    return { exitCode: 126, fault: new Fault('invalid', error.code, `${prefix}exec: "${command}": permission denied: unknown`, { cause: error }) };
  }
  if (isFault(error, 'cwd-invalid')) {
    return { exitCode: 127, fault: new Fault('invalid', error.code, `${prefix}${error.message}: unknown`, { cause: error }) };
  }
  if (isFault(error, 'user-not-found')) return { exitCode: 126, fault: error };
  const fault = isFault(error) ? error : new Fault('internal', 'start-failed', error instanceof Error ? error.message : String(error), { cause: error });
  return { exitCode: 128, fault };
}
