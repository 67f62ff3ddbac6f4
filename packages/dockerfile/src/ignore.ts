import { posix } from 'node:path';
import { dockerfileInvalid } from './faults.ts';

interface Rule {
  readonly excludes: boolean;
  readonly pattern: RegExp;
}

/** The rules of a .dockerignore: the last one that fits a path, or what it lies in, decides. */
export class IgnoreRules {
  readonly #rules: readonly Rule[];

  /** Fault `dockerfile-invalid` for a pattern that is none. */
  constructor(text: string) {
    this.#rules = text
      .replace(/^\uFEFF/, '')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
      .flatMap((line) => {
        const excludes = !line.startsWith('!');
        const path = posix
          .normalize(excludes ? line : line.slice(1).trim())
          .replace(/^\/+/, '')
          .replace(/(.)\/+$/, '$1');
        return path === '' ? [] : [{ excludes, pattern: globRegExp(path) }];
      });
  }

  /** `path` is relative to the context, without a slash at either end. */
  excludes(path: string): boolean {
    const parts = path.split('/');
    const lineage = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    let excluded = false;
    for (const { excludes, pattern } of this.#rules) {
      if (excludes !== excluded && lineage.some((one) => pattern.test(one))) excluded = excludes;
    }
    return excluded;
  }
}

/** Go's filepath.Match, and `**` for any number of directories. */
export function globRegExp(pattern: string): RegExp {
  let out = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string;
    if (char === '*') {
      if (pattern[at + 1] !== '*') {
        out += '[^/]*';
        continue;
      }
      while (pattern[at + 1] === '*') at++;
      if (pattern[at + 1] === '/') at++;
      out += at + 1 >= pattern.length ? '.*' : '(?:.*/)?';
    } else if (char === '?') out += '[^/]';
    else if (char === '[') {
      const end = classEnd(pattern, at);
      out += characterClass(pattern, at, end);
      at = end;
    } else if (char === '\\') {
      const next = pattern[++at];
      if (next === undefined) throw dockerfileInvalid(`illegal exclusion pattern: ${JSON.stringify(pattern)}: syntax error in pattern`);
      out += escaped(next);
    } else out += escaped(char);
  }
  return new RegExp(`^${out}$`, 's');
}

function classEnd(pattern: string, begin: number): number {
  let at = begin + (pattern[begin + 1] === '^' ? 2 : 1);
  for (const first = at; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++;
    else if (pattern[at] === ']' && at > first) return at;
  }
  throw dockerfileInvalid(`illegal exclusion pattern: ${JSON.stringify(pattern)}: syntax error in pattern`);
}

function characterClass(pattern: string, begin: number, end: number): string {
  const body = pattern.slice(begin + 1, end);
  // A letter that is escaped is that letter, and no class of its own.
  const inside = body
    .replace(/^\^/, '')
    .replaceAll(/\\(.)|[\\\]^[&~|]/gs, (match: string, char?: string) =>
      (char ?? match).match(/[\p{L}\p{N}]/u) === null ? `\\${char ?? match}` : (char ?? match),
    );
  try {
    return `(?!/)${RegExp(`[${body.startsWith('^') ? '^' : ''}${inside}]`).source}`;
  } catch {
    throw dockerfileInvalid(`illegal exclusion pattern: ${JSON.stringify(pattern)}: syntax error in pattern`);
  }
}

const escaped = (char: string): string => char.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
