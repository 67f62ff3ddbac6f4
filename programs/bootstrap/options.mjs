import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Problem } from './problem.mjs';

/** The root of the clone. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

const COMMANDS = ['start', 'stop', 'status', 'test', 'check', 'bench', 'help'];

/** Options that say which instance is meant; every command has them. `name: [environment variable, default]`. */
const INSTANCE = {
  '--state-dir': ['BERTH_STATE', '/var/lib/berth'],
  '--run-dir': ['BERTH_RUN', '/run/berth'],
  '--prefix': ['BERTH_PREFIX', 'berth'],
};

const FLAGS = {
  start: ['--detach', '--json', '--yes'],
  stop: ['--all', '--json'],
  status: ['--json'],
  test: ['--list', '--no-setup'],
  check: ['--fix'],
  bench: [],
  help: [],
};

const VALUES = { test: ['--only'] };

/** Handed on to the daemon as they are; repeatable. */
const PASSED = {
  start: ['--registry-mirror', '--insecure-registry', '--allow-registry', '--trust-registry-target', '--registry-certs', '--log-driver', '--log-opt'],
};

/**
 * @param {readonly string[]} argv without node and script
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ command: string, help: boolean, stateDir: string, runDir: string, prefix: string,
 *   flags: ReadonlySet<string>, values: Readonly<Record<string, string>>, passed: readonly string[], rest: readonly string[] }}
 */
export function parseOptions(argv, env = process.env) {
  const [first = 'help', ...others] = argv;
  if (first === '--help' || first === '-h') return parseOptions(['help', ...others], env);
  if (!COMMANDS.includes(first)) {
    throw new Problem(`There is no command ‘${first}’.`, [`Commands: ${COMMANDS.join(', ')}. ‘node bootstrap.mjs --help’ explains them.`], { exitCode: 2 });
  }
  const instance = Object.fromEntries(Object.entries(INSTANCE).map(([name, [variable, fallback]]) => [name, env[variable] || fallback]));
  const flags = new Set();
  const values = {};
  const passed = [];
  const rest = [];
  let help = first === 'help';
  for (let index = 0; index < others.length; index += 1) {
    const [name, inline] = split(others[index]);
    const value = () => {
      const given = inline ?? others[(index += 1)];
      if (given === undefined) throw new Problem(`${name} needs a value.`, [], { exitCode: 2 });
      return given;
    };
    if (name === '--help' || name === '-h') help = true;
    else if (name === '-d' && first === 'start') flags.add('--detach');
    else if (name in instance) instance[name] = value();
    else if (FLAGS[first].includes(name) && inline === undefined) flags.add(name);
    else if ((VALUES[first] ?? []).includes(name)) values[name] = value();
    else if ((PASSED[first] ?? []).includes(name)) passed.push(name, value());
    else if (first === 'bench' || (first === 'test' && !name.startsWith('-'))) rest.push(others[index]);
    else {
      throw new Problem(`‘${first}’ has no option ‘${others[index]}’.`, [`‘npm run ${first === 'start' ? 'start' : first} -- --help’ lists them.`], {
        exitCode: 2,
      });
    }
  }
  if (!/^[a-z][a-z0-9]{0,5}$/.test(instance['--prefix'])) {
    throw new Problem(`The prefix ‘${instance['--prefix']}’ cannot begin the name of a network link.`, ['Use 1 to 6 of a-z and 0-9, a letter first.'], {
      exitCode: 2,
    });
  }
  if (Buffer.byteLength(resolve(instance['--run-dir'])) > 75) {
    throw new Problem(
      `The run directory ${instance['--run-dir']} is too long: sockets below it have at most 107 bytes in their path.`,
      ['Choose one of 75 bytes or less.'],
      { exitCode: 2 },
    );
  }
  return {
    command: first,
    help,
    stateDir: resolve(instance['--state-dir']),
    runDir: resolve(instance['--run-dir']),
    prefix: instance['--prefix'],
    flags,
    values,
    passed,
    rest,
  };
}

function split(argument) {
  const equals = argument.indexOf('=');
  return argument.startsWith('--') && equals > 0 ? [argument.slice(0, equals), argument.slice(equals + 1)] : [argument, undefined];
}

/** The command line that repeats the instance's options, for the lines printed to the user; empty for the default instance. */
export function instanceArguments(options, env = process.env) {
  const given = { '--state-dir': options.stateDir, '--run-dir': options.runDir, '--prefix': options.prefix };
  return Object.entries(INSTANCE)
    .filter(([name, [variable, fallback]]) => given[name] !== fallback && env[variable] !== given[name])
    .map(([name]) => `${name} ${given[name]}`)
    .join(' ');
}
