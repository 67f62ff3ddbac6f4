import { RootfsTar } from './rootfs-tar.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;

const GROUP = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
wheel:x:10:root
utmp:x:43:
www-data:x:33:
users:x:100:
nogroup:x:65534:
`;

/** Applets that would make a confusing command of that name in a container, or none at all. */
const NOT_LINKED = new Set(['busybox', 'linuxrc', 'init']);

/** One binary, its applets as hard links in /bin, and what programs expect to find in a root. */
export function busyboxTar(binary: Buffer, applets: readonly string[]): Buffer {
  const tar = new RootfsTar()
    .directory('bin')
    .directory('dev')
    .directory('etc')
    .directory('home')
    .directory('lib')
    .directory('proc')
    .directory('root', 0o700)
    .directory('sys')
    .directory('tmp', 0o1777)
    .directory('usr')
    .directory('usr/sbin')
    .directory('var')
    .directory('var/spool')
    .directory('var/spool/mail')
    .directory('var/www')
    .file('etc/group', GROUP)
    .file('etc/passwd', PASSWD)
    .file('etc/shadow', 'root:*:::::::\nnobody:*:::::::\n', 0o640)
    .file('etc/nsswitch.conf', 'hosts: files dns\n')
    .symlink('etc/mtab', '/proc/mounts')
    .symlink('sbin', 'bin')
    .symlink('usr/bin', '../bin')
    .file('bin/busybox', binary, 0o755);
  const names = new Set(applets.map((path) => path.slice(path.lastIndexOf('/') + 1)));
  for (const name of [...names].sort()) if (!NOT_LINKED.has(name)) tar.hardlink(`bin/${name}`, 'bin/busybox');
  return tar.end();
}
