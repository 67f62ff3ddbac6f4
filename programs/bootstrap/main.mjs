import { helpText } from './help.mjs';
import { parseOptions } from './options.mjs';
import { report } from './problem.mjs';

/** Each command is loaded when it is asked for: `status` need not read what `test` needs. */
const COMMANDS = {
  start: async (options) => (await import('./start.mjs')).start(options),
  stop: async (options) => (await import('./stop.mjs')).stop(options),
  status: async (options) => (await import('./status.mjs')).status(options),
  test: async (options) => (await import('./test.mjs')).test(options),
  check: async (options) => (await import('./check.mjs')).check(options),
  bench: async (options) => (await import('./bench.mjs')).bench(options),
};

/** @param {readonly string[]} argv @returns {Promise<number>} the exit code */
export async function main(argv) {
  // Whoever reads our output may go (`npm start | head`): what was begun is still finished.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const options = parseOptions(argv);
    if (options.help) {
      process.stdout.write(helpText(options.command));
      return 0;
    }
    return await COMMANDS[options.command](options);
  } catch (error) {
    return report(error);
  }
}
