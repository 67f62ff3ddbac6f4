import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@berth/kit';

/**
 * Finds what a container's first argument means, as execvp would, so that a missing command and one that may not be
 * executed are told apart. Faults: `command-not-found`, `command-not-executable`.
 */
export function findCommand(name: string, env: readonly string[]): string {
  const path = env.findLast((line) => line.startsWith('PATH='))?.slice(5) ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const candidates = name.includes('/') ? [name] : path.split(':').map((folder) => join(folder, name));
  let refused = false;
  for (const candidate of candidates) {
    try {
      const stats = statSync(candidate);
      if (stats.isFile()) {
        accessSync(candidate, constants.X_OK);
        return candidate;
      }
      refused = true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') refused = true;
    }
  }
  if (refused && name.includes('/')) throw new Fault('invalid', 'command-not-executable', `exec: "${name}": permission denied`);
  const reason = name.includes('/') ? `stat ${name}: no such file or directory` : 'executable file not found in $PATH';
  throw new Fault('invalid', 'command-not-found', `exec: "${name}": ${reason}`);
}
