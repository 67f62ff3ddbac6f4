/** A failure the user can do something about: one sentence that says what is wrong, then what to do next. */
export class Problem extends Error {
  /**
   * @param {string} message what is wrong, one sentence
   * @param {readonly string[]} advice what to do next, a line each
   * @param {{ detail?: string, exitCode?: number }} [options] `detail` is the tail of a tool's own output
   */
  constructor(message, advice = [], options = {}) {
    super(message);
    this.name = 'Problem';
    this.advice = advice;
    this.detail = options.detail;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Prints a problem, or anything else thrown, to stderr and gives the exit code. */
export function report(error) {
  const colour = process.stderr.isTTY && !process.env.NO_COLOR;
  const red = (text) => (colour ? `\x1b[31m${text}\x1b[0m` : text);
  if (!(error instanceof Problem)) {
    process.stderr.write(`\n${red('✘')} ${error?.stack ?? error}\n`);
    return 1;
  }
  process.stderr.write(`\n${red('✘')} ${error.message}\n`);
  if (error.detail) for (const line of error.detail.trimEnd().split('\n').slice(-15)) process.stderr.write(`    | ${line}\n`);
  for (const line of error.advice) process.stderr.write(`  → ${line}\n`);
  return error.exitCode;
}
