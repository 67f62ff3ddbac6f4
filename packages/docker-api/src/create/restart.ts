import type { HostConfigRequest } from '@berth/docker-wire';
import type { RestartPolicy } from '@berth/engine';
import { invalid } from '../faults.ts';

const names: readonly RestartPolicy['name'][] = ['no', 'always', 'unless-stopped', 'on-failure'];

/** `--restart`. Fault `restart-invalid` with dockerd's sentences. */
export function restartPolicy(given: HostConfigRequest['RestartPolicy'], { autoRemove }: { readonly autoRemove: boolean }): RestartPolicy {
  const { Name = '', MaximumRetryCount: maximumRetries = 0 } = given ?? {};
  const name = names.find((known) => known === (Name || 'no'));
  if (name === undefined) {
    throw invalid('restart-invalid', `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  if (maximumRetries < 0 && name === 'on-failure') throw invalid('restart-invalid', 'invalid restart policy: maximum retry count cannot be negative');
  if (maximumRetries !== 0 && name !== 'on-failure') {
    throw invalid(
      'restart-invalid',
      `invalid restart policy: maximum retry count can only be used with 'on-failure'${maximumRetries < 0 ? ' and cannot be negative' : ''}`,
    );
  }
  if (autoRemove && name !== 'no') throw invalid('restart-conflict', "can't create 'AutoRemove' container with restart policy");
  return { name, maximumRetries };
}
