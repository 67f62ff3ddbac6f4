import { dockerfileInvalid, lineInvalid } from './faults.ts';
import { bodyOf, heredocsIn } from './heredoc.ts';
import type { Heredoc } from './instruction.ts';

/** One instruction with its continuation lines joined. */
export interface LogicalLine {
  readonly line: number;
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
}

export interface Lines {
  readonly escape: string;
  readonly lines: readonly LogicalLine[];
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
/** No instruction that a person or a program writes comes near this. */
const MOST_CHARACTERS = 1 << 20;

/**
 * Comments and empty lines go, lines that end in the escape character are joined with the next, heredocs are taken out. Fault
 * `dockerfile-invalid`.
 */
export function readLines(text: string): Lines {
  const source = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''));
  const { escape, begin } = directives(source);
  const continued = new RegExp(`^(?:([^]*[^\\${escape}])|)\\${escape}[ \\t]*$`);
  const lines: LogicalLine[] = [];
  let at = begin;
  while (at < source.length) {
    const line = at + 1;
    let joined = (source[at++] as string).trimStart();
    if (joined === '' || joined.startsWith('#')) continue;
    for (let more = continued.exec(joined); more !== null; more = continued.exec(joined)) {
      joined = more[1] ?? '';
      let next = source[at++];
      while (next !== undefined && /^\s*(?:#|$)/.test(next)) next = source[at++];
      if (next === undefined) break;
      joined += next;
      if (joined.length > MOST_CHARACTERS) throw lineInvalid(line, 'the instruction is too long');
    }
    const trimmed = joined.trim();
    if (trimmed === '') continue;
    const heredocs = heredocsIn(trimmed).map((mark) => {
      const body = bodyOf(mark, source, at);
      if (body === undefined) throw lineInvalid(line, 'unterminated heredoc');
      at = body.next;
      return body.heredoc;
    });
    lines.push({ line, text: trimmed, heredocs });
  }
  return { escape, lines };
}

/** They stand at the top and nowhere else. Only `escape` says something to a builder that is its own front end. */
function directives(source: readonly string[]): { escape: string; begin: number } {
  let escape: string | undefined;
  let begin = 0;
  const seen = new Set<string>();
  for (; begin < source.length; begin++) {
    const [, name = '', value = ''] = DIRECTIVE.exec(source[begin]?.trim() ?? '') ?? [];
    const key = name.toLowerCase();
    if (!['escape', 'syntax', 'check'].includes(key)) break;
    if (seen.has(key)) throw dockerfileInvalid(`only one ${key} parser directive can be used`);
    seen.add(key);
    if (key !== 'escape') continue;
    if (value !== '\\' && value !== '`') throw dockerfileInvalid(`invalid ESCAPE '${value}'. Must be \` or \\`);
    escape = value;
  }
  return { escape: escape ?? '\\', begin };
}
