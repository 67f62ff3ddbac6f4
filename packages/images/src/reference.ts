import { referenceInvalid } from './faults.ts';

/**
 * Docker's reference grammar (distribution/reference): `[domain/]path[:tag][@digest]`. `name` is the full one
 * (`docker.io/library/busybox`).
 */
export interface NamedReference {
  readonly kind: 'named';
  readonly name: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** An image id in full, given where a name could have been. */
export interface DigestReference {
  readonly kind: 'digest';
  readonly digest: string;
}

export type Reference = NamedReference | DigestReference;

/** Where names without a host belong. */
export const DEFAULT_DOMAIN = 'docker.io';
/** Its older name, under which its registry answers. */
export const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL = 'library/';
const MAX_NAME_LENGTH = 255;

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const NAME = `(?:(?:${DOMAIN})/)?${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '[\\w][\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*[:][0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^(${NAME})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const HEX64 = /^[a-f0-9]{64}$/;

/** `reference.ParseNormalizedNamed`. Fault `reference-invalid` with Docker's sentences. */
export function parseNamed(text: string): NamedReference {
  if (HEX64.test(text)) {
    throw referenceInvalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, remainder } = splitDomain(text);
  const remote = remainder.split(/[:@]/, 1)[0] ?? '';
  if (remote.toLowerCase() !== remote) {
    throw referenceInvalid(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  const match = REFERENCE.exec(`${domain}/${remainder}`);
  if (match === null) throw referenceInvalid('invalid reference format');
  const [, name = '', tag, digest] = match;
  if (name.length > MAX_NAME_LENGTH) {
    throw referenceInvalid(`invalid reference format: repository name must not be more than ${MAX_NAME_LENGTH} characters`);
  }
  if (digest !== undefined) checkDigest(digest);
  return { kind: 'named', name, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** `reference.ParseAnyReference`: also ids, with or without `sha256:`. */
export function parseReference(text: string): Reference {
  if (HEX64.test(text)) return { kind: 'digest', digest: `sha256:${text}` };
  if (/^sha256:[a-f0-9]{64}$/.test(text)) return { kind: 'digest', digest: text };
  return parseNamed(text);
}

/** `reference.TagNameOnly`: the default tag where there is neither tag nor digest. */
export function withDefaultTag(reference: NamedReference): NamedReference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

/** The name people see: without the default domain, and without `library/` behind it. */
export function familiarName(name: string): string {
  if (!name.startsWith(`${DEFAULT_DOMAIN}/`)) return name;
  const path = name.slice(DEFAULT_DOMAIN.length + 1);
  return path.startsWith(OFFICIAL) && !path.slice(OFFICIAL.length).includes('/') ? path.slice(OFFICIAL.length) : path;
}

/** `reference.FamiliarString`. */
export function familiar(reference: Reference): string {
  if (reference.kind === 'digest') return reference.digest;
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${familiarName(reference.name)}${tag}${digest}`;
}

/** The first component is a domain when it looks like one; otherwise the name is in the default one. */
function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let domain = isDomain ? first : DEFAULT_DOMAIN;
  let remainder = isDomain ? text.slice(slash + 1) : text;
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !remainder.includes('/')) remainder = OFFICIAL + remainder;
  return { domain, remainder };
}

/** go-digest's `Validate`, in its words. */
function checkDigest(digest: string): void {
  const [algorithm = '', hex = ''] = digest.split(':');
  const length = { sha256: 64, sha384: 96, sha512: 128 }[algorithm];
  if (length === undefined) throw referenceInvalid('unsupported digest algorithm');
  if (hex.length !== length) throw referenceInvalid('invalid checksum digest length');
  if (!/^[a-f0-9]+$/.test(hex)) throw referenceInvalid('invalid checksum digest format');
}
