import { changeInvalid } from '../faults.ts';

/**
 * Splits at blanks outside of quotes; quotes and backslashes stay, for `unquote` to take. As Docker splits the arguments
 * of ENV, LABEL and EXPOSE.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote === '' && /\s/.test(char)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    word += char;
    if (char === '\\' && quote !== "'") word += text[++at] ?? '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
  }
  if (word !== '') words.push(word);
  return words;
}

/** Takes quotes and backslashes away and puts in the variables (`$name`, `${name}`, `${name:-else}`, `${name:+then}`). */
export function unquote(text: string, variables: ReadonlyMap<string, string>): string {
  let out = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote === "'") {
      if (char === "'") quote = '';
      else out += char;
    } else if (char === '\\') {
      const next = text[++at];
      if (next === undefined) out += '\\';
      // Inside double quotes a backslash guards only these.
      else out += quote === '"' && !'"$\\'.includes(next) ? `\\${next}` : next;
    } else if (char === '"') quote = quote === '"' ? '' : '"';
    else if (char === "'" && quote === '') quote = "'";
    else if (char === '$') {
      const { value, end } = variable(text, at, variables);
      out += value;
      at = end;
    } else out += char;
  }
  if (quote !== '') throw changeInvalid('unexpected end of statement while looking for matching quote');
  return out;
}

function variable(text: string, dollar: number, variables: ReadonlyMap<string, string>): { value: string; end: number } {
  const rest = text.slice(dollar + 1);
  const braced = /^\{([A-Za-z_]\w*|\d)(?::([-+])([^}]*))?\}/.exec(rest);
  if (braced !== null) {
    const [whole, name = '', operator, word = ''] = braced;
    const value = variables.get(name) ?? '';
    const end = dollar + whole.length;
    if (operator === '-') return { value: value === '' ? unquote(word, variables) : value, end };
    if (operator === '+') return { value: value === '' ? '' : unquote(word, variables), end };
    return { value, end };
  }
  if (rest.startsWith('{')) throw changeInvalid(`unsupported modifier in substitution`);
  const plain = /^(?:[A-Za-z_]\w*|\d)/.exec(rest);
  if (plain === null) return { value: '$', end: dollar };
  return { value: variables.get(plain[0]) ?? '', end: dollar + plain[0].length };
}

/** `["a", "b"]`, or undefined when it isn't that: Docker then takes the text as a shell command. */
export function jsonWords(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `a=b c="d e"` or the old form `a b c` (one pair, the rest is the value). */
export function keyValues(instruction: string, text: string, variables: ReadonlyMap<string, string>): [string, string][] {
  const words = splitWords(text);
  const first = words[0];
  if (first === undefined) throw changeInvalid(`${instruction} requires at least one argument`);
  if (!first.includes('=')) {
    const value = text.trim().slice(first.length).trim();
    if (value === '') throw changeInvalid(`${instruction} must have two arguments`);
    return [[unquote(first, variables), unquote(value, variables)]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw changeInvalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    const name = unquote(word.slice(0, equals), variables);
    if (name === '') throw changeInvalid(`${instruction} names can not be blank`);
    return [name, unquote(word.slice(equals + 1), variables)];
  });
}
