import { RootfsTar } from './rootfs-tar.ts';

const TEXT = `
Hello from Berth!

This container has a machine of its own: a small virtual one, forked from a
running template the moment you asked for it. To bring you this message:

 1. The docker client sent your command to Berth, which speaks its language.
 2. Berth found the image berth/hello, which it had made on this machine.
 3. A virtual machine was cloned, and the image's layers were given to it as
    read-only disks with a writable layer on top.
 4. The program in the image ran there as process 1 and wrote these lines, and
    Berth carried them to your client.

The kernel you are talking through: @KERNEL@

Try something more ambitious:
 $ docker run -it busybox sh
 $ docker run -d --name web -p 8080:80 busybox httpd -f -p 80
`;

/** A shell script with the shell it needs, and nothing else. */
export function helloTar(binary: Buffer): Buffer {
  const [before = '', after = ''] = TEXT.split('@KERNEL@');
  const script = `#!/bin/busybox sh\nexec /bin/busybox cat <<EOF\n${quote(before)}$(/bin/busybox uname -sr)${quote(after)}EOF\n`;
  return new RootfsTar()
    .directory('bin')
    .directory('etc')
    .directory('tmp', 0o1777)
    .file('bin/busybox', binary, 0o755)
    .hardlink('bin/sh', 'bin/busybox')
    .file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
    .file('etc/group', 'root:x:0:\n')
    .file('hello', script, 0o755)
    .end();
}

/** For a here-document that expands. */
function quote(text: string): string {
  return text.replaceAll(/[\\$`]/g, '\\$&');
}
