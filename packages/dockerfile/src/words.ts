import { dockerfileInvalid } from './faults.ts';

/** Divides at blanks outside of quotes; quotes and escapes stay, for the expansion to take. */
export function splitWords(text: string, escape = '\\'): string[] {
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
    if (char === escape && quote !== "'") word += text[++at] ?? '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
  }
  if (word !== '') words.push(word);
  return words;
}

/** `["a", "b"]`, or undefined when it isn't that: Docker then takes the text as it stands. */
export function jsonWords(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `a=b c="d e"`, or the old form `a b c` (one pair, the rest is the value). Nothing is expanded yet. */
export function namedValues(instruction: string, text: string, escape = '\\'): [string, string][] {
  const words = splitWords(text, escape);
  const first = words[0];
  if (first === undefined) throw dockerfileInvalid(`${instruction} requires at least one argument`);
  if (!first.includes('=')) {
    const value = text.trim().slice(first.length).trim();
    if (value === '') throw dockerfileInvalid(`${instruction} must have two arguments`);
    return [[first, value]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw dockerfileInvalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    if (equals === 0) throw dockerfileInvalid(`${instruction} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}
