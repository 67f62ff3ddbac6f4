/** One entry of an initramfs. A directory when `data` is absent. */
export interface CpioEntry {
  /** Path without a leading slash. */
  readonly path: string;
  readonly mode: number;
  readonly data?: Buffer;
}

/** An archive in the `newc` format (Documentation/driver-api/early-userspace/buffer-format.rst): same input, same bytes. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  let inode = 1;
  const add = (path: string, mode: number, data: Buffer) => {
    const name = Buffer.from(`${path}\0`);
    const fields = [inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = Buffer.from(`070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}`);
    for (const part of [Buffer.concat([header, name]), data]) parts.push(part, Buffer.alloc(-part.length & 3));
  };
  for (const entry of entries) {
    const type = entry.data === undefined ? 0o040000 : 0o100000;
    add(entry.path, type | entry.mode, entry.data ?? Buffer.alloc(0));
  }
  add('TRAILER!!!', 0, Buffer.alloc(0));
  return Buffer.concat(parts);
}
