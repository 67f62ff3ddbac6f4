/**
 * Steps with their times. On a terminal the running step is one line that is rewritten; in a log every step is one line
 * when it ends, and one more when it lasts, so that a reader of the log sees what is being waited for.
 */
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** `0.4 s`, `12 s`, `3 min 05 s`. */
export function duration(ms) {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** @param {NodeJS.WriteStream} stream */
export function createProgress(stream = process.stdout) {
  const tty = Boolean(stream.isTTY) && !process.env.CI;
  const colour = tty && !process.env.NO_COLOR;
  const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const width = () => Math.max(40, stream.columns ?? 100);
  const fit = (line) => (line.length > width() - 1 ? `${line.slice(0, width() - 2)}…` : line);
  const quiet = { value: false };

  /**
   * Runs one step. `work` gets `say(text)`, which tells what it is doing just now; what it returns, if a string, is the
   * remark behind the step's name (an object: `{ remark, value }`).
   */
  async function step(name, work) {
    if (quiet.value) {
      const result = await work(() => undefined);
      return typeof result === 'object' && result !== null ? result.value : undefined;
    }
    const begun = Date.now();
    let doing = '';
    let frame = 0;
    let told = 0;
    const draw = () => {
      frame += 1;
      const elapsed = Date.now() - begun;
      if (tty) {
        stream.write(`\r\x1b[2K${paint(36, SPINNER[frame % SPINNER.length])} ${fit(`${name.padEnd(18)} ${duration(elapsed).padStart(9)}  ${doing}`)}`);
      } else if (elapsed - told >= 15_000) {
        told = elapsed;
        stream.write(`… ${name.padEnd(18)} ${duration(elapsed).padStart(9)}  ${doing}\n`);
      }
    };
    const timer = setInterval(draw, tty ? 90 : 1_000);
    if (tty) draw();
    const end = (mark, remark) => {
      clearInterval(timer);
      stream.write(`${tty ? '\r\x1b[2K' : ''}${mark} ${fit(`${name.padEnd(18)} ${duration(Date.now() - begun).padStart(9)}  ${remark}`)}\n`);
    };
    try {
      const result = await work((text) => {
        doing = text;
      });
      const object = typeof result === 'object' && result !== null;
      end(paint(32, '✔'), object ? result.remark : (result ?? ''));
      return object ? result.value : undefined;
    } catch (error) {
      end(paint(31, '✘'), doing);
      throw error;
    }
  }

  return {
    step,
    line: (text = '') => void (quiet.value || stream.write(`${text}\n`)),
    bold: (text) => paint(1, text),
    dim: (text) => paint(2, text),
    yellow: (text) => paint(33, text),
    /** Say nothing from now on (`--json`). */
    silence: () => {
      quiet.value = true;
    },
  };
}
