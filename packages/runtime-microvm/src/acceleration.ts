import { accessSync, constants } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { isFault } from '@berth/kit';
import { faults } from './faults.ts';
import type { HostFacts } from './template/key.ts';

/** A guest with hardware's help boots in well under a second. One that hasn't by then never will. */
export const KVM_LIMIT_MS = 8_000;

export interface Verdict {
  readonly acceleration: 'kvm' | 'tcg';
  /** One sentence for people. */
  readonly reason: string;
}

interface Remembered extends Verdict {
  readonly key: string;
}

/**
 * Decides between KVM and emulation. `try` really boots a guest: `/dev/kvm` can open and yet not run one. What was found
 * out is kept in `file` for this kernel, QEMU and processor. Fault `acceleration-missing` when KVM was demanded.
 */
export async function decideAcceleration(
  wanted: 'auto' | 'kvm' | 'tcg',
  options: { file: string; facts: HostFacts; attempt: () => Promise<void>; progress: (message: string) => void },
): Promise<Verdict> {
  if (wanted === 'tcg') return { acceleration: 'tcg', reason: 'software emulation was asked for' };
  const key = [options.facts.kernel, options.facts.qemuIdentity, options.facts.processor].join('|');
  const known = await readFile(options.file, 'utf8')
    .then(
      (text) => JSON.parse(text) as Remembered,
      () => undefined,
    )
    .catch(() => undefined);
  let verdict: Verdict;
  if (known?.key === key) verdict = { acceleration: known.acceleration, reason: known.reason };
  else {
    verdict = await attempt(options);
    await writeFile(`${options.file}.new`, `${JSON.stringify({ key, ...verdict } satisfies Remembered, null, 2)}\n`);
    await rename(`${options.file}.new`, options.file);
  }
  if (wanted === 'kvm' && verdict.acceleration !== 'kvm') throw faults.accelerationMissing(verdict.reason);
  return verdict;
}

async function attempt(options: { attempt: () => Promise<void>; progress: (message: string) => void }): Promise<Verdict> {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return { acceleration: 'tcg', reason: 'this machine has no /dev/kvm' };
  }
  options.progress('finding out whether KVM can run a guest here');
  try {
    await options.attempt();
    return { acceleration: 'kvm', reason: 'a guest booted under KVM' };
  } catch (error) {
    if (!isFault(error)) throw error;
    const slow = isFault(error.cause, 'vm-timeout');
    return {
      acceleration: 'tcg',
      reason: slow ? `/dev/kvm opens, but a guest did not boot under it within ${KVM_LIMIT_MS / 1000} s` : '/dev/kvm opens, but no guest boots under it',
    };
  }
}
