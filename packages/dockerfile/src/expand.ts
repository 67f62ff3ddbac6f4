import { dockerfileInvalid } from './faults.ts';
import { replacePattern, trimPattern } from './pattern.ts';

export type Variables = ReadonlyMap<string, string>;

/**
 * Takes quotes and escapes away and puts variables in, as Docker does with a word of an instruction: `$name`, `${name}` and with
 * `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`. Fault `dockerfile-invalid`.
 */
export function expandWord(word: string, variables: Variables, escape = '\\'): string {
  return expanded(word, () => new Expansion(word, variables, escape).all());
}

/** As `expandWord`, but blanks outside of quotes, also those that come from variables, divide it. */
export function expandWords(word: string, variables: Variables, escape = '\\'): string[] {
  return expanded(word, () => {
    const expansion = new Expansion(word, variables, escape);
    expansion.all();
    return expansion.words();
  });
}

function expanded<T>(word: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Broken) throw dockerfileInvalid(`failed to process ${JSON.stringify(word)}: ${error.message}`);
    throw error;
  }
}

class Broken extends Error {}

/** More nested than this is no Dockerfile. */
const MOST_NESTED = 100;

class Expansion {
  readonly #text: string;
  readonly #variables: Variables;
  readonly #escape: string;
  readonly #words: string[] = [];
  #word: string | undefined;
  #at = 0;
  #depth = 0;

  constructor(text: string, variables: Variables, escape: string) {
    this.#text = text;
    this.#variables = variables;
    this.#escape = escape;
  }

  all(): string {
    return this.#until(undefined);
  }

  words(): string[] {
    return this.#word === undefined ? this.#words : [...this.#words, this.#word];
  }

  #until(stop: string | undefined): string {
    let out = '';
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] as string;
      if (char === stop) {
        this.#at++;
        return out;
      }
      if (char === "'" || char === '"') out += this.#quoted(char);
      else if (char === '$') {
        const value = this.#dollar();
        this.#divide(value);
        out += value;
      } else if (char === this.#escape) {
        const next = this.#text[this.#at + 1];
        this.#at += 2;
        if (next === undefined) break;
        this.#keep(next);
        out += next;
      } else {
        this.#at++;
        this.#divide(char);
        out += char;
      }
    }
    if (stop !== undefined) throw new Broken("syntax error: missing '}'");
    return out;
  }

  #quoted(quote: string): string {
    let out = '';
    this.#at++;
    this.#keep('');
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) throw new Broken(`unexpected end of statement while looking for matching ${quote === '"' ? 'double' : 'single'}-quote`);
      if (char === quote) break;
      if (quote === '"' && char === '$') out += this.#dollar();
      else if (quote === '"' && char === this.#escape) {
        const next = this.#text[this.#at + 1] ?? '';
        out += next === '"' || next === '$' || next === this.#escape ? next : char + next;
        this.#at += 2;
      } else {
        out += char;
        this.#at++;
      }
    }
    this.#at++;
    this.#keep(out);
    return out;
  }

  /** At a `$`; gives what stands for it. */
  #dollar(): string {
    this.#at++;
    if (this.#text[this.#at] !== '{') {
      const name = this.#name();
      return name === '' ? '$' : (this.#variables.get(name) ?? '');
    }
    this.#at++;
    const first = this.#text[this.#at];
    if (first === undefined) throw new Broken("syntax error: missing '}'");
    if (first === '{' || first === '}' || first === ':') throw new Broken('syntax error: bad substitution');
    const name = this.#name();
    const value = this.#variables.get(name);
    let operator = this.#text[this.#at++] ?? '';
    if (operator === '}') return value ?? '';
    if (operator === '') throw new Broken("syntax error: missing '}'");
    if (operator === ':') operator += this.#text[this.#at++] ?? '';
    else if ('#%/'.includes(operator) && this.#text[this.#at] === operator) operator += this.#text[this.#at++];
    const rest = this.#nested();
    return this.#modified(name, value, operator, rest);
  }

  #modified(name: string, value: string | undefined, operator: string, rest: string): string {
    const present = operator.startsWith(':') && value === '' ? undefined : value;
    switch (operator) {
      case ':-':
      case '-':
        return present ?? rest;
      case ':+':
      case '+':
        return present === undefined ? '' : rest;
      case ':?':
      case '?':
        if (present !== undefined) return present;
        throw new Broken(`${name}: ${rest === '' ? `is not allowed to be ${value === undefined ? 'unset' : 'empty'}` : rest}`);
      case '#':
      case '##':
      case '%':
      case '%%':
        return trimPattern(value ?? '', rest, operator);
      case '/':
      case '//': {
        const [pattern = '', ...replacement] = rest.split('/');
        if (pattern === '') throw new Broken(`unsupported modifier (${operator}) in substitution`);
        return replacePattern(value ?? '', pattern, replacement.join('/'), operator === '//');
      }
      default:
        throw new Broken(`unsupported modifier (${operator}) in substitution`);
    }
  }

  /** The word inside braces; it divides nothing by itself. */
  #nested(): string {
    if (++this.#depth > MOST_NESTED) throw new Broken('syntax error: bad substitution');
    const [words, word] = [this.#words.splice(0), this.#word];
    const rest = this.#until('}');
    this.#words.splice(0, this.#words.length, ...words);
    this.#word = word;
    this.#depth--;
    return rest;
  }

  #name(): string {
    const match = /^(?:[\p{L}_][\p{L}\p{N}_]*|\p{N}+|[@*#?\-$!])/u.exec(this.#text.slice(this.#at))?.[0] ?? '';
    this.#at += match.length;
    return match;
  }

  #keep(text: string): void {
    this.#word = (this.#word ?? '') + text;
  }

  #divide(text: string): void {
    for (const char of text) {
      if (!/\s/.test(char)) this.#keep(char);
      else if (this.#word !== undefined) {
        this.#words.push(this.#word);
        this.#word = undefined;
      }
    }
  }
}
