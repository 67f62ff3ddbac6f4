import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { LayerFile } from '@berth/runtime';
import { run } from '@berth/sys';
import { faults } from '../faults.ts';
import type { Guest } from '../options.ts';
import { CPU_MODELS } from '../qemu/command-line.ts';
import { QEMU } from '../qemu/launch.ts';

/** Raised when QEMU's arguments or the way of saving change. */
const FORMAT = 4;

export interface HostFacts {
  /** e.g. `QEMU 7.2.22`. */
  readonly qemuVersion: string;
  /** Version and binary: a rebuilt one may save its devices differently. */
  readonly qemuIdentity: string;
  /** Model and flags: what a saved guest believes its processor can do. */
  readonly processor: string;
  readonly kernel: string;
}

/** Fault `qemu-missing`. */
export async function hostFacts(): Promise<HostFacts> {
  try {
    const [{ stdout }, { stdout: path }, cpuinfo, kernel] = await Promise.all([
      run(QEMU, ['--version']),
      run('sh', ['-c', `command -v ${QEMU}`]),
      readFile('/proc/cpuinfo', 'utf8'),
      readFile('/proc/sys/kernel/osrelease', 'utf8'),
    ]);
    const binary = await stat(path.trim());
    const line = stdout.split('\n')[0] ?? '';
    const processor = cpuinfo.split('\n').filter((text) => /^(model name|flags|microcode)\s/.test(text));
    return {
      qemuVersion: `QEMU ${/version (\S+)/.exec(line)?.[1] ?? 'of unknown version'}`,
      qemuIdentity: `${line} ${binary.size} ${binary.mtimeMs}`,
      processor: createHash('sha256')
        .update([...new Set(processor)].join('\n'))
        .digest('hex'),
      kernel: kernel.trim(),
    };
  } catch (error) {
    throw faults.qemuMissing(error);
  }
}

/** Sixteen hex digits: everything a template depends on but for flavor and image. */
export function templateKey(facts: HostFacts, guest: Guest, acceleration: 'kvm' | 'tcg'): string {
  // The measured rate of the time stamp counter differs in its last digits each time; it belongs to the processor.
  const commandLine = guest.commandLine[acceleration].replace(/tsc_early_khz=\d+/, '');
  return digest([FORMAT, facts.qemuIdentity, facts.processor, guest.key, guest.agentVersion, commandLine, CPU_MODELS[acceleration], acceleration]);
}

/** Sixteen hex digits for the layers of an image, in order. */
export function imageKey(layers: readonly LayerFile[]): string {
  return digest(layers.map((layer) => layer.diffId));
}

const digest = (parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
