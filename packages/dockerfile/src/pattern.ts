/** The shell's patterns in `${name#pattern}` and `${name/pattern/other}`: `*` and `?`, a backslash before what is meant itself. */

function source(pattern: string): string {
  let out = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string;
    if (char === '*') out += '[^]*';
    else if (char === '?') out += '[^]';
    else out += (char === '\\' && at + 1 < pattern.length ? (pattern[++at] as string) : char).replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  }
  return out;
}

/** `#` takes the shortest beginning that fits away, `##` the longest; `%` and `%%` do so at the end. */
export function trimPattern(value: string, pattern: string, operator: '#' | '##' | '%' | '%%'): string {
  const fits = new RegExp(`^${source(pattern)}$`, 'u');
  const fromEnd = operator.startsWith('%');
  const lengths = Array.from({ length: value.length + 1 }, (_, length) => length);
  if (operator.length === 2) lengths.reverse();
  for (const length of lengths) {
    const part = fromEnd ? value.slice(value.length - length) : value.slice(0, length);
    if (fits.test(part)) return fromEnd ? value.slice(0, value.length - length) : value.slice(length);
  }
  return value;
}

export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string {
  return value.replace(new RegExp(source(pattern), all ? 'gu' : 'u'), () => replacement);
}
