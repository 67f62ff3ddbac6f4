/** The catalogue: every Fault of this package is born here. Messages are Docker's own sentences where Docker has one. */
import { Fault } from '@berth/kit';

/** `reference` in its familiar form with its tag, as Docker says it. */
export function imageNotFound(reference: string): Fault {
  return new Fault('not-found', 'image-not-found', `No such image: ${reference}`);
}

/** What `docker save` says of a tag or digest that isn't there. */
export function referenceDoesNotExist(): Fault {
  return new Fault('not-found', 'image-not-found', 'reference does not exist');
}

export function referenceInvalid(sentence: string): Fault {
  return new Fault('invalid', 'reference-invalid', sentence);
}

/** Docker's two shapes of "conflict: unable to …" end here. */
export function imageInUse(sentence: string): Fault {
  return new Fault('conflict', 'image-in-use', sentence);
}

/** The archive itself (the outer tar, its manifests) isn't what it should be. */
export function archiveInvalid(sentence: string, cause?: unknown): Fault {
  return new Fault('invalid', 'archive-invalid', sentence, cause === undefined ? {} : { cause });
}

/** A tar stream that is broken, hostile, or of a kind that isn't understood. */
export function tarInvalid(sentence: string): Fault {
  return new Fault('invalid', 'tar-invalid', sentence);
}

export function digestMismatch(what: string, expected: string, actual: string): Fault {
  return new Fault('invalid', 'digest-mismatch', `invalid ${what}: expected ${quoted(expected)}, got ${quoted(actual)}`);
}

export function layerTooLarge(limitBytes: number): Fault {
  return new Fault('invalid', 'layer-too-large', `layer is larger than the limit of ${limitBytes} bytes when unpacked`);
}

export function archiveTooLarge(limitBytes: number): Fault {
  return new Fault('invalid', 'archive-too-large', `archive is larger than the limit of ${limitBytes} bytes`);
}

export function tooManyEntries(limit: number): Fault {
  return new Fault('invalid', 'too-many-entries', `archive has more than ${limit} entries`);
}

export function compressionUnsupported(name: string): Fault {
  return new Fault('unsupported', 'compression-unsupported', `${name} compressed archives can't be read here: ${name} is not installed`);
}

export function changeInvalid(sentence: string): Fault {
  return new Fault('invalid', 'change-invalid', sentence);
}

export function platformUnsupported(sentence: string): Fault {
  return new Fault('invalid', 'platform-unsupported', sentence);
}

export function storeInUse(directory: string, cause: unknown): Fault {
  return new Fault('unavailable', 'store-in-use', `the image store in ${directory} is in use by another process`, { cause });
}

export function squashFailed(detail: string): Fault {
  return new Fault('internal', 'squash-failed', 'could not make a file system image of the layer', { detail });
}

function diskFull(cause: unknown): Fault {
  return new Fault('exhausted', 'disk-full', 'no space left on device', { cause });
}

/** Turns "no space" in any of its dresses (errno, SQLite, a tool's stderr) into one Fault; anything else stays as it is. */
export function withDiskFull(error: unknown): unknown {
  if (error instanceof Fault) {
    return error.code !== 'disk-full' && /no space left on device/i.test(error.detail ?? '') ? diskFull(error) : error;
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL' ? diskFull(error) : error;
}

/** As Go's %q does for plain text. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
