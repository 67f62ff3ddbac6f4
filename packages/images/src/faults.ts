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

/** Below HTTP: no connection, a cut one, a certificate nobody vouches for. The sentence is Docker's. */
export function registryUnreachable(sentence: string, cause?: unknown): Fault {
  return new Fault('unavailable', 'registry-unreachable', sentence, cause === undefined ? {} : { cause });
}

/** No credentials, or none that are taken. */
export function registryUnauthenticated(sentence: string): Fault {
  return new Fault('unauthenticated', 'registry-unauthenticated', sentence);
}

/** The operator's list does not have it. */
export function registryForbidden(host: string): Fault {
  return new Fault('forbidden', 'registry-forbidden', `registry ${host} is not in the list of registries that are allowed here (--allow-registry)`);
}

/** A manifest, repository or blob that isn't there, or that one must not see. */
export function remoteMissing(sentence: string): Fault {
  return new Fault('not-found', 'remote-missing', sentence);
}

/** The registry said no, in its own words. */
export function registryRefused(sentence: string): Fault {
  return new Fault('invalid', 'registry-refused', sentence);
}

/** The registry cannot answer at the moment. */
export function registryBusy(sentence: string): Fault {
  return new Fault('unavailable', 'registry-busy', sentence);
}

/** The registry's answer is not what it can be: wrong in size, kind or digest. */
export function registryLied(sentence: string): Fault {
  return new Fault('invalid', 'registry-answer-invalid', sentence);
}

export function redirectRefused(host: string, why: string): Fault {
  return new Fault('forbidden', 'redirect-refused', `registry ${host} sends us to another place, refused: ${why}`);
}

export function nothingToPush(sentence: string): Fault {
  return new Fault('not-found', 'nothing-to-push', sentence);
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
