import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@berth/sys';
import { type Case, newerWords, other, quiet } from './case.ts';

/** One mount of those a container has; dockerd lists them in no order. */
const mountAt = (target: string, container: string) =>
  `inspect -f '{{range .Mounts}}{{if eq .Destination "${target}"}}{{.Type}} {{.Name}} {{.Source}} {{.Driver}} {{.Mode}} {{.RW}} {{.Propagation}}{{end}}{{end}}' ${container}`;
const places = ['/n', '/anon', '/d', '/s', '/n2', '/b', '/t'];

/** A root file system whose image declares a volume, with something in it. */
async function volumeImage(folder: string): Promise<void> {
  for (const name of ['bin', 'vol/deep', 'etc']) await mkdir(join(folder, 'root', name), { recursive: true });
  await copyFile('/bin/busybox', join(folder, 'root/bin/busybox'));
  await writeFile(join(folder, 'root/vol/deep/file'), 'of the image\n', { mode: 0o640 });
  await run('ln', ['-s', 'deep/file', join(folder, 'root/vol/link')]);
  await run('ln', [join(folder, 'root/vol/deep/file'), join(folder, 'root/vol/twin')]);
  await run('chown', ['-R', '7:8', join(folder, 'root/vol')]);
  await run('chmod', ['1751', join(folder, 'root/vol')]);
  await run('tar', ['-C', join(folder, 'root'), '-cf', join(folder, 'root.tar'), '.']);
}

async function hostFolder(folder: string): Promise<void> {
  await mkdir(join(folder, 'dir/sub'), { recursive: true });
  await writeFile(join(folder, 'dir/file'), 'of the host\n');
  await writeFile(join(folder, 'single'), 'one file\n');
  await run('chown', ['12:34', join(folder, 'dir/file')]);
}

/** Volumes and directories of the host. `OWN` is a folder of each daemon's own. */
export const volumeCases: readonly Case[] = [
  {
    name: 'volumes: made, listed, removed',
    command: 'volume',
    steps: [
      'volume create -d local --label a=b --label c v1',
      'volume create v1',
      'volume create v2',
      quiet('volume create'),
      other('volume create -d nosuch v3', newerWords, { stdout: /^$/, stderr: /plugin "nosuch" not found/ }),
      "volume create 'a b'",
      'volume create -o nope=1 v4',
      'volume ls --format {{.Name}}',
      "volume ls --filter name=v --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Mountpoint}}'",
      'volume ls -q --filter name=v1',
      'volume ls -q --filter label=a=b',
      'volume ls -q --filter label=c',
      'volume ls -q --filter label=nosuch',
      'volume ls -q --filter driver=local',
      'volume ls -q --filter driver=nosuch',
      'volume ls -q --filter nope=1',
      "volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{.Mountpoint}} {{.Options}} {{json .Labels}}' v1 v2",
      'volume inspect nosuch',
      'create --name user -v v1:/a busybox true',
      'volume ls -q --filter dangling=true --filter name=v',
      'volume ls -q --filter dangling=false',
      other('volume rm v1', 'the id of the container differs', { stdout: /^$/, stderr: /remove v1: volume is in use - \[<id>\]/ }),
      'rm -v user',
      'volume ls -q --filter name=v',
      'volume rm v1 nosuch',
      'volume rm -f nosuch',
      'volume prune -f --filter label=nosuch',
      'volume rm v2',
    ],
  },
  {
    name: 'volumes: what a container may be given',
    command: 'volume',
    prepare: hostFolder,
    steps: [
      'create -v relative/path:/x busybox true',
      'create -v a:b:c:d busybox true',
      'create -v /etc:relative busybox true',
      'create -v /etc:/ busybox true',
      'create -v xx:/a:nope busybox true',
      'create -v OWN/dir:/a -v OWN/single:/a busybox true',
      'create --mount type=bind,source=/no/such/thing,target=/x busybox true',
      'create --mount type=bind,target=/x busybox true',
      'create --mount type=nope,target=/x busybox true',
      'create --mount type=volume,source=x busybox true',
      'create --volumes-from nosuch busybox true',
      other('create -v OWN/dir:/x:shared busybox true', 'a machine has mounts of its own', {
        exitCode: 1,
        stdout: /^$/,
        stderr: /the bind propagation shared is not supported by berth yet/,
      }),
      'create --name m1 -v n1:/n -v /anon -v OWN/dir:/d:ro -v OWN/single:/s --mount type=volume,source=n2,target=/n2,readonly --mount type=bind,source=OWN/dir,target=/b,readonly --tmpfs /t busybox true',
      ...places.map((place) => mountAt(place, 'm1')),
      "inspect -f '{{len .HostConfig.Binds}} {{json .Config.Volumes}} {{json .HostConfig.VolumesFrom}}' m1",
      'create --name m2 --volumes-from m1:ro busybox true',
      ...places.map((place) => mountAt(place, 'm2')),
      "ps -a --filter volume=n1 --format '{{.Names}}'",
      "ps -a --filter volume=/d --format '{{.Names}}'",
      "ps -a --filter volume=nosuch --format '{{.Names}}'",
      "ps -a --filter name=m1 --format '{{.LocalVolumes}}'",
      'volume ls -q',
      'rm -v m1',
      'volume ls -q',
      'rm -v m2',
      'volume ls -q',
    ],
  },
  {
    name: 'volumes: directories and files of the host',
    command: 'run',
    machine: true,
    prepare: hostFolder,
    steps: [
      "run --rm -v OWN/dir:/d -v OWN/single:/etc/single:ro busybox sh -c 'cat /d/file /etc/single; ls -ln /d/file | cut -c 1-30; echo made > /d/made; chown 5:6 /d/made; echo x > /etc/single'",
      "run --rm -v OWN/dir:/d:ro busybox sh -c 'ls -n /d | wc -l; cat /d/made; echo x > /d/x; mkdir /d/y'",
      "run --rm -v OWN/missing/deep:/m busybox sh -c 'echo made > /m/f; stat -c %a:%u /m'",
      "run --rm --mount type=bind,source=OWN/missing,target=/m busybox sh -c 'cat /m/deep/f'",
      "run --rm -v OWN/dir:/a -v OWN/missing:/a/sub busybox sh -c 'ls /a /a/sub'",
      "run --rm -u 12:34 -v OWN/dir:/d busybox sh -c 'echo more >> /d/file && cat /d/file; echo x > /d/x'",
      "run --rm --read-only -v OWN/dir:/d busybox sh -c 'echo x > /d/x && echo written; echo x > /x'",
      other('run --rm -v OWN/dir:/etc/passwd busybox true', newerWords, { stderr: /are you trying to mount a directory onto a file/ }),
    ],
  },
  {
    name: 'volumes: kept, shared, copied into, removed',
    command: 'run',
    machine: true,
    prepare: volumeImage,
    steps: [
      quiet("import -c 'VOLUME /vol' OWN/root.tar foo/vol"),
      "run --rm -v kept:/k busybox sh -c 'echo first > /k/f; mkdir /k/sub; echo inner > /k/sub/g'",
      'run --rm -v kept:/elsewhere busybox cat /elsewhere/f',
      "run --rm -v kept:/k:ro busybox sh -c 'echo x > /k/x'",
      'run --name image foo/vol /bin/busybox sh -c \'cd /vol; busybox=/bin/busybox; $busybox ls -lnR . | $busybox tr -s " " | $busybox cut -d " " -f 1,3,4,9-; $busybox cat link; $busybox stat -c %a:%u:%g .; $busybox stat -c %h twin; echo mine > new\'',
      "run --rm --volumes-from image busybox sh -c 'cat /vol/new /vol/twin'",
      'volume ls -q',
      "run --rm -v named:/vol foo/vol /bin/busybox sh -c '/bin/busybox rm -r /vol/deep /vol/link; /bin/busybox ls /vol'",
      'run --rm -v named:/vol foo/vol /bin/busybox ls /vol',
      'run --rm -v bare:/vol:nocopy foo/vol /bin/busybox ls /vol',
      'run --rm --mount type=volume,source=bare2,target=/vol,volume-nocopy foo/vol /bin/busybox ls /vol',
      'rm -v image',
      'volume ls -q',
      quiet('run -d --name one -v shared:/s busybox sleep 1000'),
      quiet('run -d --name two -v shared:/s busybox sleep 1000'),
      "exec one sh -c 'echo from one >> /s/log'",
      "exec two sh -c 'cat /s/log; echo from two >> /s/log'",
      "exec one sh -c 'cat /s/log; mv /s/log /s/log2; ln /s/log2 /s/log3; mkfifo /s/pipe'",
      "exec two sh -c 'cat /s/log3; ls -F /s'",
      "exec two sh -c 'cat /s/pipe & echo through > /s/pipe; wait'",
      quiet('stop -t 0 one two'),
      quiet('rm -f one two'),
      quiet('rmi foo/vol'),
    ],
  },
];
