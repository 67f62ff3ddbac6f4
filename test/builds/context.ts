import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A file's text or bytes, with a mode where it matters; `->x` alone is a link. */
export type Files = Readonly<Record<string, string | Buffer | { readonly text: string; readonly mode: number }>>;

/** Writes a build context into a folder. */
export async function writeContext(folder: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    if (typeof content === 'string' && content.startsWith('->')) await symlink(content.slice(2), path);
    else if (typeof content === 'string' || Buffer.isBuffer(content)) await writeFile(path, content, { mode: 0o644 });
    else {
      await writeFile(path, content.text);
      await chmod(path, content.mode);
    }
  }
}
