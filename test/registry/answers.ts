import type { CliResult } from '../oracle/index.ts';

/** Told only when there is time for it, by either daemon. */
const fleeting = /^\S+: (?:Waiting|Verifying Checksum|Download complete|Retrying in .*)$/;

/**
 * What of an answer is to be the same on both sides: lines of layers in any order, digests by their place only (each side
 * compresses in its own way).
 */
export function comparable({ exitCode, stdout, stderr }: CliResult): { exitCode: number; lines: string[]; errors: string[] } {
  const normal = (text: string) =>
    text
      .replace(/sha256:[0-9a-f]{64}/g, 'DIGEST')
      .replace(/\b[0-9a-f]{12}\b/g, 'ID')
      .replace(/size: \d+/g, 'size: N')
      .split('\n')
      .map((line) => line.trimEnd())
      .filter((line) => line !== '' && !fleeting.test(line) && !line.startsWith('WARNING! '));
  const lines = normal(stdout);
  const ofLayers = lines.filter((line) => line.startsWith('ID: ')).sort();
  return { exitCode, lines: [...lines.filter((line) => !line.startsWith('ID: ')), ...ofLayers], errors: normal(stderr) };
}
