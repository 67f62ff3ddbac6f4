import type { FileHandle } from 'node:fs/promises';
import type { SparsePiece } from '../tar/sparse.ts';
import { BLOCK_BYTES, type Content } from '../squashfs/inodes.ts';
import { writeAll } from '../store/files.ts';

/**
 * Writes the content of a sparse file to `to`, in blocks as squashfs has them, from the pieces that stand at `from` one
 * after the other. Blocks that no piece touches are left out.
 */
export async function expandSparse(
  file: FileHandle,
  from: number,
  pieces: readonly SparsePiece[],
  sizeBytes: number,
  to: number,
): Promise<Content & { readonly end: number }> {
  const blocks: number[] = Array<number>(Math.ceil(sizeBytes / BLOCK_BYTES)).fill(0);
  const buffer = Buffer.alloc(BLOCK_BYTES);
  let end = to;
  let open = -1;
  const close = async () => {
    if (open < 0) return;
    const length = Math.min(BLOCK_BYTES, sizeBytes - open * BLOCK_BYTES);
    await writeAll(file, buffer.subarray(0, length), end);
    blocks[open] = length;
    end += length;
    buffer.fill(0);
    open = -1;
  };
  let stored = from;
  for (const piece of pieces) {
    for (let done = 0; done < piece.length; ) {
      const at = piece.offset + done;
      const block = Math.floor(at / BLOCK_BYTES);
      if (block !== open) await close();
      open = block;
      const within = at % BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES - within, piece.length - done);
      await file.read(buffer, within, length, stored);
      stored += length;
      done += length;
    }
  }
  await close();
  return { at: to, sizeBytes, blocks, end };
}
