import { z } from 'zod';
import { archiveInvalid } from '../faults.ts';

/** Go writes `null` for an empty list and takes fields in any case; so does this. */
function list<T extends z.ZodType>(of: T) {
  return z
    .array(of)
    .nullish()
    .transform((value) => value ?? []);
}

export const dockerManifest = z.array(z.object({ Config: z.string(), RepoTags: list(z.string()), Layers: list(z.string()) }));

const descriptor = z.object({
  mediaType: z.string().optional(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'unsupported digest'),
  size: z.number().int().nonnegative(),
  annotations: z.record(z.string(), z.string()).nullish(),
  platform: z.object({ architecture: z.string(), os: z.string(), variant: z.string().optional() }).nullish(),
});
export type Descriptor = z.infer<typeof descriptor>;

export const ociLayout = z.object({ imageLayoutVersion: z.string() });
export const ociIndex = z.object({ mediaType: z.string().optional(), manifests: list(descriptor) });
export const ociManifest = z.object({ mediaType: z.string().optional(), config: descriptor, layers: list(descriptor) });

/** The parts of a configuration that decide whether the image can be kept at all; the rest stays verbatim. */
export const configuration = z.looseObject({
  architecture: z.string().optional(),
  os: z.string().optional(),
  config: z.record(z.string(), z.unknown()).nullish(),
  rootfs: z.looseObject({ type: z.string(), diff_ids: list(z.string().regex(/^sha256:[0-9a-f]{64}$/, 'unsupported digest')) }),
  history: list(z.record(z.string(), z.unknown())),
});

/** Reads a JSON document of an archive. Fault `archive-invalid` naming the document and what is wrong with it. */
export function parseDocument<T>(schema: z.ZodType<T>, data: Buffer, name: string): T {
  let json: unknown;
  try {
    json = JSON.parse(data.toString());
  } catch (error) {
    throw archiveInvalid(`invalid archive: ${name} is not JSON`, error);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw archiveInvalid(`invalid archive: ${name}: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`, result.error);
}
