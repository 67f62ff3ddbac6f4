import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { Problem } from './problem.mjs';
import { tool } from './tool.mjs';

/** Is there an executable of that name in PATH? */
export function hasCommand(name) {
  return (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(`${folder}/${name}`));
}

/** Those of the packages that are not installed. @param {readonly { name: string, why: string }[]} packages */
export async function missingPackages(packages) {
  const { output } = await tool('dpkg-query', ['-W', '-f', '${binary:Package} ${db:Status-Status}\\n', ...packages.map((entry) => entry.name)]);
  const installed = new Set(
    output
      .split('\n')
      .map((line) => line.trim().split(' '))
      .filter(([, status]) => status === 'installed')
      .map(([name]) => name.split(':')[0]),
  );
  return packages.filter((entry) => !installed.has(entry.name));
}

/**
 * Installs packages without what they merely recommend, and without starting any service they bring. Fails with what to
 * do next when there is no network, no such package, another apt at work or no space.
 */
export async function installPackages(packages, say) {
  const names = packages.map((entry) => entry.name);
  const keep = preventServiceStarts();
  try {
    const install = () =>
      tool('apt-get', ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=2', ...names], {
        env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
        timeoutMs: 900_000,
        onLine: (line) => {
          const match = /^(?:Get:\d+ \S+ \S+ \S+ (\S+)|(Unpacking|Setting up) (\S+))/.exec(line);
          if (match) say(match[1] ? `fetching ${match[1]}` : `${match[2].toLowerCase()} ${match[3]}`);
        },
      });
    say('reading package lists');
    const update = await tool('apt-get', ['update', '-o', 'Acquire::Retries=2'], { env: { LC_ALL: 'C' }, timeoutMs: 300_000 });
    say(`installing ${names.join(' ')}`);
    const result = await install();
    if (result.code !== 0) throw explain(names, result, update);
  } finally {
    keep.restore();
  }
  await disableServices(names);
}

/** While packages are unpacked, an init script or unit they bring must not be started: Debian's own switch for that. */
function preventServiceStarts() {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return { restore: () => undefined };
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  return { restore: () => rmSync(policy, { force: true }) };
}

/** What packages are here for their binaries only; a service of theirs, freshly installed by us, must not come up at next boot. */
const SERVICES = { 'docker.io': ['docker.service', 'docker.socket', 'containerd.service'], 'docker-registry': ['docker-registry.service'] };

async function disableServices(names) {
  const units = names.flatMap((name) => SERVICES[name] ?? []);
  if (units.length > 0 && existsSync('/run/systemd/system')) await tool('systemctl', ['disable', '--now', ...units]);
}

function explain(names, result, update) {
  const command = `apt-get install --no-install-recommends ${names.join(' ')}`;
  const text = `${update.output}\n${result.output}`;
  const detail = result.output;
  if (/No space left on device|don't have enough free space/.test(text)) {
    return new Problem('apt ran out of disk space.', ['Free some space on / and run npm start again; it goes on where it stopped.'], { detail });
  }
  if (/Could not get lock|is held by process/.test(text)) {
    return new Problem('Another apt or dpkg is at work on this machine.', ['Wait for it to end (ps aux | grep -E "apt|dpkg"), then run npm start again.'], {
      detail,
    });
  }
  if (
    /Temporary failure resolving|Could not resolve|Could not connect|Connection timed out|Network is unreachable|Failed to fetch|Unable to fetch/.test(text)
  ) {
    return new Problem(
      'apt cannot reach its package servers.',
      [
        'Check the network, the proxy (/etc/apt/apt.conf.d) and /etc/apt/sources.list, then run npm start again.',
        `Or install by other means what is missing: ${command}`,
      ],
      { detail },
    );
  }
  if (/Unable to locate package|has no installation candidate/.test(text)) {
    return new Problem(
      'A package Berth needs is not offered by this machine’s sources.',
      ['Enable the distribution’s main archive (on Ubuntu also universe), then run npm start again.', `Or install by other means what is missing: ${command}`],
      { detail },
    );
  }
  return new Problem(`apt ended with ${result.code}.`, [`Try it by hand: ${command}`], { detail });
}
