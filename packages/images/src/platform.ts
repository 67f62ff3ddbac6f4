import { platformUnsupported } from './faults.ts';

export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const SYSTEMS = new Set([
  'aix',
  'android',
  'darwin',
  'dragonfly',
  'freebsd',
  'illumos',
  'ios',
  'js',
  'linux',
  'netbsd',
  'openbsd',
  'plan9',
  'solaris',
  'windows',
]);
const ARCHITECTURES = new Set([
  '386',
  'amd64',
  'arm',
  'arm64',
  'loong64',
  'mips',
  'mipsle',
  'mips64',
  'mips64le',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'wasm',
]);
const OTHER_NAMES: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', i386: '386', aarch64: 'arm64', armhf: 'arm', armel: 'arm' };

/**
 * `os[/architecture[/variant]]`, or an architecture alone, as `--platform` takes it. Absent or empty: Linux on this
 * machine's architecture. Only Linux is taken.
 */
export function parsePlatform(text: string | undefined, architecture: string): ImagePlatform {
  if (text === undefined || text === '') return { os: 'linux', architecture };
  const parts = text.toLowerCase().split('/');
  const [first = '', second, third] = parts;
  if (parts.length === 1) {
    if (SYSTEMS.has(first)) return linux(first, architecture, undefined);
    const own = OTHER_NAMES[first] ?? first;
    if (ARCHITECTURES.has(own)) return linux('linux', own, undefined);
    throw platformUnsupported(`${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`);
  }
  if (parts.length > 3 || parts.includes('')) throw platformUnsupported(`${JSON.stringify(text)}: cannot parse platform specifier: invalid argument`);
  return linux(first, OTHER_NAMES[second ?? ''] ?? second ?? '', third);
}

function linux(os: string, architecture: string, variant: string | undefined): ImagePlatform {
  if (os !== 'linux') throw platformUnsupported('operating system is not supported');
  // v8 is what arm64 is.
  return { os, architecture, ...(variant === undefined || (architecture === 'arm64' && variant === 'v8') ? {} : { variant }) };
}

/** ARM's versions, each running what was built for those below it. */
const ARM = ['v8', 'v7', 'v6', 'v5'];

/**
 * How well something built for `offered` serves `wanted`: 0 is exactly, more is less, undefined not at all. Nothing said
 * of a platform fits any. Attestations say `unknown/unknown`.
 */
export function platformRank(
  offered: { os: string; architecture: string; variant?: string | undefined } | undefined,
  wanted: ImagePlatform,
): number | undefined {
  if (offered === undefined) return 3;
  if (offered.os !== wanted.os) return undefined;
  if (offered.architecture === wanted.architecture) {
    if (wanted.architecture !== 'arm') return offered.variant === wanted.variant || (offered.variant === 'v8' && wanted.variant === undefined) ? 0 : 1;
    const steps = ARM.indexOf(offered.variant ?? 'v7') - ARM.indexOf(wanted.variant ?? 'v7');
    return steps < 0 ? undefined : steps;
  }
  return wanted.architecture === 'amd64' && offered.architecture === '386' ? 2 : undefined;
}
