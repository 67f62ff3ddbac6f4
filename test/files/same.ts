import assert from 'node:assert/strict';

/** Both sides gave the same; otherwise says just the lines in which they differ. */
export function assertSame([theirs, ours]: readonly [unknown, unknown]): void {
  const lines = (value: unknown) => JSON.stringify(value, null, 1).replaceAll('\\n', '\n').split('\n');
  const only = (a: readonly string[], b: readonly string[]) => a.filter((line) => !b.includes(line)).slice(0, 40);
  const [a, b] = [lines(theirs), lines(ours)];
  if (a.join('\n') !== b.join('\n')) assert.fail(`\n--- dockerd only:\n${only(a, b).join('\n')}\n--- Berth only:\n${only(b, a).join('\n')}`);
}
