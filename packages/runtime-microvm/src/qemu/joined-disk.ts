import { statSync } from 'node:fs';

const SECTOR_BYTES = 512;

/**
 * A disk made of files one after the other, which stay where they are: a VMDK description of flat extents, QEMU's only
 * format that has this. Sizes must be whole sectors.
 */
export function joinedDisk(files: readonly string[], sizeOf = (path: string) => statSync(path).size): string {
  const extents = files.map((path) => {
    const sizeBytes = sizeOf(path);
    // A path is written between quotation marks, and nothing escapes one.
    if (sizeBytes % SECTOR_BYTES !== 0 || /["\n\r]/.test(path)) throw new Error(`${path} cannot be part of a disk`);
    return `RW ${sizeBytes / SECTOR_BYTES} FLAT "${path}" 0`;
  });
  return ['# Disk DescriptorFile', 'version=1', 'CID=00000001', 'parentCID=ffffffff', 'createType="twoGbMaxExtentFlat"', ...extents, ''].join('\n');
}
