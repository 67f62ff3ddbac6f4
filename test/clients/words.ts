/** Splits a command line as a shell would: spaces part words, quotes hold them together. */
export function words(line: string): string[] {
  const result: string[] = [];
  for (const match of line.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g)) {
    result.push(match[0].replace(/'([^']*)'|"([^"]*)"/g, (_all, single: string | undefined, double: string | undefined) => single ?? double ?? ''));
  }
  return result;
}

/**
 * Takes out what must differ between two daemons (ids, times, addresses of endpoints) and what differs between Docker's
 * own versions without meaning anything: the case of sentences, and which of its layers report an error.
 */
export function normalise(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, '<id>')
    .replace(/\b[0-9a-f]{12}\b/g, '<short>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( \+0000 UTC)?/g, '<time>')
    .replace(/\b(less than a second|about a minute|about an hour|\d+ (?:seconds?|minutes?|hours?|months|years))\b/gi, '<while>')
    .replace(/failed to create task for container: |failed to create shim task: |OCI runtime create failed: |runc create failed: /g, '')
    .replace(/\/\S+?(?=\/volumes\/)/g, '<root>')
    .replace(/failed to set up container networking: /g, '')
    .replace(/: unknown$/gm, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/ $/gm, '')
    .trim()
    .toLowerCase();
}
