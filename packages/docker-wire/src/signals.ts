import { constants } from 'node:os';
import { Fault } from '@berth/kit';

/**
 * A signal as Docker's clients name it (`SIGTERM`, `term`, `15`, `RTMIN+3`) as a number. Faults: `signal-invalid`
 * ("Invalid signal: X"). Any number parses, as in Docker; whether it exists is asked by `requireSignal`.
 */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number === 0) throw invalidSignal(text);
    return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RTM(IN|AX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime !== null) {
    // 32 and 33 belong to the C library, so the first one programs see is 34.
    const base = realtime[1] === 'IN' ? 34 : 64;
    const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1);
    const number = base + offset;
    if (number < 34 || number > 64) throw invalidSignal(text);
    return number;
  }
  const number = Object.hasOwn(constants.signals, `SIG${name}`) ? constants.signals[`SIG${name}` as NodeJS.Signals] : undefined;
  if (number === undefined) throw invalidSignal(text);
  return number;
}

/** Fault `signal-unsupported`, in Docker's words, for numbers the kernel has no signal for. */
export function requireSignal(number: number): number {
  if (number < 1 || number > 64) throw new Fault('invalid', 'signal-unsupported', `The linux daemon does not support signal ${number}`);
  return number;
}

function invalidSignal(text: string): Fault {
  return new Fault('invalid', 'signal-invalid', `invalid signal: ${text}`);
}
