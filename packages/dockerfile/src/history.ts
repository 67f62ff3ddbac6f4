import type { Configuration } from './configure.ts';
import type { Instruction } from './instruction.ts';

const quoted = (words: readonly string[]): string => `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;

/** What an image's history says of an instruction that ran nothing, as dockerd writes it. `config` is what came of it. */
export function commentOf(instruction: Instruction, config: Configuration): string {
  switch (instruction.name) {
    case 'ENV':
    case 'LABEL':
    case 'ARG':
      return [instruction.name, ...instruction.pairs.map(([key, value]) => (value === undefined ? key : `${key}=${value}`))].join(' ');
    case 'CMD':
      return `CMD ${quoted(config.Cmd ?? [])}`;
    case 'ENTRYPOINT':
      return `ENTRYPOINT ${quoted(config.Entrypoint ?? [])}`;
    case 'SHELL':
      return `SHELL [${(config.Shell ?? []).join(' ')}]`;
    case 'EXPOSE':
      return `EXPOSE ${instruction.words.join(' ')}`;
    case 'VOLUME':
      return `VOLUME [${instruction.words.join(' ')}]`;
    case 'HEALTHCHECK':
      return `HEALTHCHECK ${health(instruction.check)}`;
    case 'WORKDIR':
      return `WORKDIR ${config.WorkingDir ?? '/'}`;
    case 'USER':
    case 'STOPSIGNAL':
    case 'MAINTAINER':
    case 'ONBUILD':
      return `${instruction.name} ${instruction.word}`;
    default:
      return instruction.text;
  }
}

/** As Go prints the structure. */
function health(check: Readonly<Record<string, unknown>>): string {
  const times = ['Interval', 'Timeout', 'StartPeriod'].map((field) => `"${duration(Number(check[field] ?? 0))}"`);
  const retries = Number(check['Retries'] ?? 0);
  const rune = retries < 32 ? `'\\x${retries.toString(16).padStart(2, '0')}'` : `'${String.fromCodePoint(retries)}'`;
  return `&{${quoted((check['Test'] as string[] | undefined) ?? [])} ${times.join(' ')} ${rune}}`;
}

function duration(ns: number): string {
  if (ns === 0) return '0s';
  if (ns < 1e9) return ns % 1e6 === 0 ? `${ns / 1e6}ms` : `${ns / 1e3}µs`;
  const seconds = ns / 1e9;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${Number((seconds % 60).toFixed(9))}s`;
}
