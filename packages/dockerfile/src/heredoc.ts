import type { Heredoc } from './instruction.ts';
import { jsonWords, splitWords } from './words.ts';

/** `<<NAME` in an instruction: what its body will be. */
interface Mark {
  readonly name: string;
  readonly chomp: boolean;
  readonly expand: boolean;
}

const MARK = /^\d*<<(-?)([^<]+)$/;
const TAKES_HEREDOCS = /^(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s/i;

/** The mark a word is, if it is one. */
export function heredocMark(word: string): Mark | undefined {
  const [, dash = '', given = ''] = MARK.exec(word) ?? [];
  if (given === '') return undefined;
  const quoted = /^(["'])(.+)\1$/.exec(given);
  const name = quoted?.[2] ?? given;
  if (/["'$`\\]/.test(name)) return undefined;
  return { name, chomp: dash === '-', expand: quoted === null };
}

export function heredocsIn(line: string): Mark[] {
  if (!TAKES_HEREDOCS.test(line) || !line.includes('<<')) return [];
  const rest = line.replace(/^(?:ONBUILD\s+)?\S+\s+/i, '');
  if (jsonWords(rest) !== undefined) return [];
  return splitWords(rest)
    .map(heredocMark)
    .filter((mark) => mark !== undefined);
}

/** Reads a body from line `at` on; `next` is the line after its end. Undefined: it has no end. */
export function bodyOf(mark: Mark, source: readonly string[], at: number): { heredoc: Heredoc; next: number } | undefined {
  const taken: string[] = [];
  for (let next = at; next < source.length; next++) {
    const line = source[next] as string;
    if ((mark.chomp ? line.replace(/^\t+/, '') : line) === mark.name) {
      const raw = taken.map((one) => `${one}\n`).join('');
      const content = mark.chomp ? taken.map((one) => `${one.replace(/^\t+/, '')}\n`).join('') : raw;
      return { heredoc: { name: mark.name, content, expand: mark.expand, raw }, next: next + 1 };
    }
    taken.push(line);
  }
  return undefined;
}
