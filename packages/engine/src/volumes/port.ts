import type { TmpfsMount } from '@berth/runtime';

/** What a container has mounted below its root. Their order says nothing: parents are mounted before what is in them. */
export type MountPoint = TmpfsMount | BindPoint | VolumePoint;

/** A directory or file of the host. */
export interface BindPoint {
  readonly type: 'bind';
  /** Absolute. */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** With what is mounted below it. */
  readonly recursive: boolean;
  /** Where nothing is, a directory is made at the start (`-v`); else that is a fault (`--mount`). */
  readonly createSource: boolean;
  /** As the user wrote it, for `inspect`. */
  readonly mode: string;
}

export interface VolumePoint {
  readonly type: 'volume';
  /** In a request '' asks for a volume of its own. */
  readonly name: string;
  readonly target: string;
  readonly readonly: boolean;
  /** Below the volume's root, relative; '' is the root. */
  readonly subpath: string;
  /** What the image has at the target goes into the volume, when that is empty. */
  readonly copy: boolean;
  /** The user gave no name: it goes with the container when `rm -v` or `--rm` says so. */
  readonly anonymous: boolean;
  readonly mode: string;
  /** How to make it, if there is none of that name. */
  readonly making: Omit<NewVolume, 'name'>;
}

export interface NewVolume {
  /** '': a random one. */
  readonly name: string;
  /** '' means `local`, the only one. */
  readonly driver: string;
  /** Nothing: a directory. `type=block,size=2g`: a disk. `type=none,o=bind,device=/path`: a directory of the host's. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface VolumeDefinition extends NewVolume {
  readonly kind: 'directory' | 'bind' | 'block';
  /** Nobody chose its name. */
  readonly anonymous: boolean;
  readonly createdAtMs: number;
  /** Of a `block` volume: its disk's size. */
  readonly sizeBytes?: number;
  /** Of a `bind` volume. */
  readonly device?: string;
}

export interface VolumeView extends VolumeDefinition {
  /** Where its files are on the host; '' for a disk, which the host never mounts. */
  readonly mountpoint: string;
  /** Of a `block` volume: the file. */
  readonly disk?: string;
  /** Ids of the containers that refer to it, running or not. */
  readonly users: readonly string[];
}
