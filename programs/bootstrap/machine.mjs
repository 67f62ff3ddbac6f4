import { existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname } from 'node:path';
import { Problem } from './problem.mjs';

/** Distributions whose package names are known. `tested`: the whole of `npm test` has been run there. */
const KNOWN = [
  { id: 'debian', version: '12', name: 'Debian 12', tested: true },
  { id: 'debian', version: '13', name: 'Debian 13', tested: false },
  { id: 'ubuntu', version: '24.04', name: 'Ubuntu 24.04', tested: false },
];

/** `{ id, version, name }` of os-release(5); empty strings when there is no such file. */
export function distribution(text = readIfThere('/etc/os-release')) {
  const fields = Object.fromEntries(
    text
      .split('\n')
      .map((line) => /^([A-Z_]+)=(?:"(.*)"|(.*))$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => [match[1], match[2] ?? match[3]]),
  );
  return { id: fields.ID ?? '', version: fields.VERSION_ID ?? '', name: fields.PRETTY_NAME ?? 'an unknown system' };
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Refuses, with what to do next, a machine on which nothing below could work. Gives the distribution. */
export function checkMachine() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Problem(`Berth runs on Linux on x86-64; this is ${process.platform} on ${process.arch}.`, [
      'Use a virtual machine or a server with Debian 12, Debian 13 or Ubuntu 24.04.',
    ]);
  }
  if (process.getuid?.() !== 0) {
    throw new Problem('Berth must be started by root: it makes network links, mounts and virtual machines.', ['sudo npm start      (or: su -c "npm start")']);
  }
  const system = distribution();
  const known = KNOWN.find((entry) => entry.id === system.id && entry.version === system.version);
  if (known === undefined && !existsSync('/usr/bin/apt-get')) {
    throw new Problem(`Berth installs what it needs by apt, and ${system.name} has none.`, [
      `Known to work: ${KNOWN.map((entry) => entry.name + (entry.tested ? ' (tested)' : '')).join(', ')}.`,
    ]);
  }
  const memory = totalmem();
  if (memory < 900 << 20) {
    throw new Problem(`This machine has ${Math.round(memory / (1 << 20))} MB of memory; Berth needs 1 GB to begin with.`, ['Give the machine more memory.']);
  }
  return { ...system, known: known !== undefined, tested: known?.tested ?? false };
}

/** Free bytes of the file system that holds, or will hold, `path`. */
function freeBytes(path) {
  let place = path;
  while (!existsSync(place)) place = dirname(place);
  const facts = statfsSync(place);
  return facts.bavail * facts.bsize;
}

export function checkSpace(path, neededBytes, what) {
  const free = freeBytes(path);
  if (free >= neededBytes) return;
  throw new Problem(`${what} needs ${mega(neededBytes)} in ${path}; ${mega(free)} are free.`, [
    'Free some space there, or put it elsewhere: npm start -- --state-dir /somewhere/with/space',
  ]);
}

/** Makes a directory that must exist; says clearly when it cannot. */
export function ensureDirectory(path, mode = 0o755) {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    throw new Problem(`The directory ${path} cannot be made: ${error.message}.`, ['Choose another with --state-dir or --run-dir.']);
  }
}

const mega = (bytes) => `${Math.ceil(bytes / (1 << 20))} MB`;
