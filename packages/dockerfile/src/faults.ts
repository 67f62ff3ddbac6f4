/** The catalogue: every Fault of this package is born here. Sentences are Docker's where it has one. */
import { Fault } from '@berth/kit';

export function dockerfileInvalid(sentence: string): Fault {
  return new Fault('invalid', 'dockerfile-invalid', sentence);
}

/** What is wrong with one line. */
export function lineInvalid(line: number, sentence: string): Fault {
  return dockerfileInvalid(`dockerfile parse error line ${line}: ${sentence}`);
}

export function flagUnsupported(sentence: string): Fault {
  return new Fault('unsupported', 'dockerfile-unsupported', sentence);
}
