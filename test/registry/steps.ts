/** A step that is meant to be answered otherwise than by dockerd 20.10, and why. */
export interface Otherwise {
  readonly run: string;
  readonly why: string;
  /** What Berth says. */
  readonly says: RegExp;
}

const open = 'localhost:5000';
const closed = 'localhost:5001';
const nobody = 'localhost:5999';

/** Asked of both daemons, each with registries of its own at the same addresses. `lib/busybox` and `multi` are there. */
export const steps: readonly (string | Otherwise)[] = [
  `pull ${open}/lib/busybox:1`,
  `pull ${open}/lib/busybox:1`,
  `pull -q ${open}/lib/busybox:1`,
  `pull ${open}/lib/busybox:nope`,
  `pull ${open}/nope`,
  `pull ${open}/lib/BUSYBOX`,
  `pull ${open}/lib/busybox:1:2`,
  `pull ${open}/lib/busybox@sha256:${'0'.repeat(64)}`,
  `pull -a ${open}/nope`,
  `pull ${nobody}/x:1`,
  `pull ${closed}/x:1`,
  `pull ${open}/multi`,
  `pull --platform linux/arm64 ${open}/multi`,
  `pull --platform linux/s390x ${open}/multi`,
  `image inspect --format '{{.Architecture}} {{json .RepoTags}}' ${open}/multi`,
  `tag ${open}/lib/busybox:1 ${open}/new:1`,
  `push ${open}/new:1`,
  `push ${open}/new:1`,
  `push ${open}/new`,
  `push ${open}/absent:1`,
  `tag ${open}/lib/busybox:1 ${open}/new:2`,
  `push -a ${open}/new`,
  `push -q ${open}/new:2`,
  `image inspect --format '{{json .RepoTags}} {{json .RepoDigests}}' ${open}/new:1`,
  `images --digests --format '{{.Repository}} {{.Tag}} {{.Digest}}' ${open}/new`,
  `rmi ${open}/new:1 ${open}/new:2`,
  `pull -a ${open}/new`,
  `tag ${open}/lib/busybox:1 ${closed}/mine:1`,
  `push ${closed}/mine:1`,
  `login -u ann -p wrong ${closed}`,
  `login -u ann -p secret ${closed}`,
  `push ${closed}/mine:1`,
  `rmi ${closed}/mine:1`,
  `pull ${closed}/mine:1`,
  `logout ${closed}`,
  `pull ${closed}/mine:1`,
  `login -u a -p b ${nobody}`,
  `search ${open}/x`,
  `search --limit 200 ${open}/x`,
  `run --rm ${open}/lib/busybox:3 true`,
  `rmi ${open}/lib/busybox:1`,
  `run --rm --network none ${open}/lib/busybox:1 echo hello`,
  `events --since 0 --until {soon} --filter type=image --filter event=pull --format '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}'`,
  `events --since 0 --until {soon} --filter type=image --filter event=push --format '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}'`,
];

const token = 'localhost:5002';

/** With a registry that sends its clients for tokens; anonymous ones may pull `open/…`. */
export const tokenSteps: readonly (string | Otherwise)[] = [
  `tag busybox ${token}/open/busybox:1`,
  `tag busybox ${token}/secret/busybox:1`,
  `push ${token}/open/busybox:1`,
  `login -u ann -p wrong ${token}`,
  `login -u ann -p secret ${token}`,
  `push ${token}/open/busybox:1`,
  `push ${token}/secret/busybox:1`,
  `rmi ${token}/open/busybox:1 ${token}/secret/busybox:1`,
  `pull ${token}/secret/busybox:1`,
  `logout ${token}`,
  `pull ${token}/secret/busybox:1`,
  `pull ${token}/open/busybox:1`,
  `pull ${token}/open/absent:1`,
];
