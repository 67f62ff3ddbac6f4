import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { START_PACKAGES, namesFor } from './apt-packages.mjs';
import { hasCommand, installPackages, missingPackages } from './apt.mjs';
import { checkSpace } from './machine.mjs';
import { berthNode, installModules, missingModules } from './npm.mjs';
import { ROOT } from './options.mjs';
import { Problem } from './problem.mjs';
import { contentDigest, isCurrent, writeStamp } from './stamp.mjs';
import { tool } from './tool.mjs';

/** What the guest is made from; a change in any of it builds it again. */
const GUEST_SOURCES = ['programs/guest', 'packages/sys/src', 'packages/kit/src', 'package-lock.json'];
export const GUEST_DIRECTORY = join(ROOT, 'build/guest');
const COMPILE_CACHE = join(ROOT, 'build/compile-cache');

/** System packages, and whatever of them is missing installed. @param {object} progress @param {object} system */
export function prepareSystem(progress, system, list = START_PACKAGES, name = 'system packages') {
  return progress.step(name, async (say) => {
    const missing = await missingPackages(namesFor(list, system, hasCommand));
    if (missing.length === 0) return 'nothing missing';
    checkSpace('/var/cache/apt', 800 << 20, 'Installing system packages');
    for (const entry of missing) progress.line(`    ${progress.dim(`${entry.name.padEnd(18)} ${entry.why}`)}`);
    await installPackages(missing, say);
    return `installed ${missing.map((entry) => entry.name).join(' ')}`;
  });
}

/** npm dependencies; gives the Node that runs Berth. */
export function prepareModules(progress) {
  return progress.step('npm packages', async (say) => {
    const missing = missingModules(ROOT);
    if (missing.length > 0) {
      checkSpace(ROOT, 700 << 20, 'Installing npm packages');
      await installModules(ROOT, say);
    }
    const node = berthNode(ROOT);
    const remark = missing.length === 0 ? 'nothing missing' : `installed ${missing.length}`;
    return { remark: node === process.execPath ? remark : `${remark}; this Node is ${process.versions.node}, Berth runs on its own`, value: node };
  });
}

/** Kernel, initramfs and agent; built only when what they are made from has changed. */
export function prepareGuest(progress, node) {
  return progress.step('guest', async (say) => {
    const stamp = join(GUEST_DIRECTORY, '.stamp');
    const digest = contentDigest(ROOT, GUEST_SOURCES);
    if (isCurrent(stamp, digest, [join(GUEST_DIRECTORY, 'manifest.json')])) return 'up to date';
    checkSpace(ROOT, 700 << 20, 'Building the guest');
    const program = join(ROOT, 'programs/berthd/src/build-guest.ts');
    const build = () =>
      tool(node, ['--disable-warning=ExperimentalWarning', program, GUEST_DIRECTORY], { cwd: ROOT, timeoutMs: 600_000, onLine: (line) => say(line) });
    let result = await build();
    if (result.code !== 0 && /guest-kernel-unavailable/.test(result.output)) {
      // Package lists that are missing or older than the archive name files that are not there.
      say('reading package lists');
      await tool('apt-get', ['update', '-o', 'Acquire::Retries=2'], { timeoutMs: 300_000 });
      result = await build();
    }
    if (result.code !== 0) throw guestProblem(result);
    writeStamp(stamp, digest);
    return result.output.trim().split('\n').at(-1) ?? 'built';
  });
}

/**
 * Compiles the daemon into its cache when any source has changed. A daemon that had to strip types itself would keep what
 * that takes, some 40 MB, for as long as it runs.
 */
export async function compileDaemon(node, say) {
  const stamp = join(COMPILE_CACHE, '.stamp');
  const digest = contentDigest(ROOT, ['packages', 'programs/berthd', 'programs/guest/src', 'package-lock.json'], node);
  if (isCurrent(stamp, digest, [])) return;
  say('compiling the sources');
  try {
    rmSync(COMPILE_CACHE, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // Another instance writes there just now; what is stale is not read.
  }
  const result = await tool(node, ['--disable-warning=ExperimentalWarning', join(ROOT, 'programs/berthd/src/main.mjs'), '--compile-only'], {
    cwd: ROOT,
    timeoutMs: 120_000,
  });
  if (result.code !== 0)
    throw new Problem('The daemon’s sources cannot be loaded.', ['npm run check says what is wrong with them.'], { detail: result.output });
  writeStamp(stamp, digest);
}

function guestProblem(result) {
  const detail = result.output;
  if (/No space left on device/.test(detail))
    return new Problem('The guest could not be built: the disk is full.', ['Free some space and run npm start again.'], { detail });
  if (/guest-kernel-unavailable/.test(detail)) {
    return new Problem(
      'The guest’s kernel package could not be downloaded.',
      ['Check the network and apt’s sources (apt-get update must succeed), then run npm start again.'],
      { detail },
    );
  }
  return new Problem(
    'The guest could not be built.',
    [`Try it by hand: ${existsSync('/usr/bin/gcc') ? '' : 'apt-get install gcc libc6-dev; '}node programs/berthd/src/build-guest.ts build/guest`],
    { detail },
  );
}
