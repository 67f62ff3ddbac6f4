import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildCase } from './building.ts';

const lines = (...text: readonly string[]) => `${text.join('\n')}\n`;

/** A compressed archive, as one adds it. */
function archive(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'bt-archive-'));
  try {
    execFileSync('mkdir', ['-p', join(folder, 'in/deep')]);
    writeFileSync(join(folder, 'in/deep/file'), 'packed\n', { mode: 0o640 });
    execFileSync('ln', ['-s', 'deep/file', join(folder, 'in/link')]);
    execFileSync('ln', [join(folder, 'in/deep/file'), join(folder, 'in/second')]);
    execFileSync('tar', ['--owner=7', '--group=8', '-czf', join(folder, 'a.tgz'), '-C', folder, 'in']);
    return readFileSync(join(folder, 'a.tgz'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const tree = { a: 'one\n', 'd/b': 'two\n', 'd/e/c': { text: 'three\n', mode: 0o755 }, 'd/link': '->b', 'x.txt': 'x\n', 'y.txt': 'y\n' };

/** What dockerd's classic builder knows, too. */
export const cases: readonly BuildCase[] = [
  {
    name: 'every instruction that changes the configuration',
    again: true,
    files: {
      Dockerfile: lines(
        'FROM busybox',
        'MAINTAINER some body',
        'ARG version=1',
        'ENV A=1 B="two words" C=${version:-none}$A',
        'ENV old form  here',
        'LABEL "com.example"="x y" z=$A',
        'EXPOSE 80/tcp 53/udp',
        'EXPOSE $A',
        'VOLUME ["/data", "/more"]',
        'USER 1:2',
        'WORKDIR /made/here',
        'WORKDIR below',
        'STOPSIGNAL SIGINT',
        'HEALTHCHECK --interval=5s --retries=3 CMD true || false',
        'SHELL ["/bin/ash", "-ec"]',
        'CMD echo $A \\',
        '  # in between',
        '  more',
        'ONBUILD RUN echo triggered',
        'ONBUILD ENV T=1',
      ),
    },
  },
  {
    name: 'entry points do away with commands from below, and build arguments',
    args: ['--build-arg', 'given=from outside', '--build-arg', 'nobody=wants', '--label', 'b=2', '--label', 'a=1', '--build-arg', 'HTTP_PROXY=http://p'],
    files: {
      Dockerfile: lines(
        'ARG base=busybox',
        'FROM ${base}',
        'ARG given',
        'ARG unset',
        'RUN echo "$given|$unset|$HTTP_PROXY" > /said',
        'ENTRYPOINT ["/bin/echo"]',
      ),
    },
  },
  {
    name: 'triggers of a base image',
    before: true,
    files: {
      'Dockerfile.before': lines('FROM busybox', 'ONBUILD COPY a /triggered/', 'ONBUILD RUN echo two > /triggered/b', 'ENV X=1', 'CMD ["x"]'),
      Dockerfile: lines('FROM before', 'ENV Y=2'),
      a: 'one\n',
    },
  },
  {
    name: 'copies: files, directories, patterns, links, what is there already',
    again: true,
    files: {
      ...tree,
      Dockerfile: lines(
        'FROM busybox',
        'COPY a /new/a',
        'COPY a /tmp',
        'COPY a /tmp/under/',
        'COPY d /tmp/',
        'COPY d /copied',
        'COPY *.txt d/b /texts/',
        'COPY d/link /followed',
        'WORKDIR /w',
        'COPY a .',
        'COPY a ./b',
        'COPY a bin/',
        'COPY --chown=5:6 d /owned/deep',
        'COPY --chown=root:root ["a", "/json name"]',
        'COPY a /sbin/through-a-link',
      ),
    },
  },
  {
    name: 'steps see what came before, and their deletions are kept',
    files: {
      ...tree,
      Dockerfile: lines(
        'FROM busybox',
        'COPY d /d',
        'RUN rm /d/b && rm -r /home && echo new > /d/e/n && chmod 700 /d/e && ln /d/e/n /d/hard',
        'RUN ls /d /d/e && mkdir /home && mkfifo /home/pipe && chown 3:4 /home/pipe',
        'COPY a /home/b',
      ),
    },
  },
  {
    name: 'archives are unpacked by ADD, and copied by COPY',
    files: {
      'a.tgz': archive(),
      plain: 'plain\n',
      Dockerfile: lines('FROM busybox', 'ADD a.tgz /unpacked/', 'ADD a.tgz plain /both/', 'COPY a.tgz /copied/', 'ADD plain /added'),
    },
  },
  {
    name: 'stages: by name, by number, from an image, up to a target',
    args: ['--target', 'last'],
    files: {
      ...tree,
      Dockerfile: lines(
        'FROM busybox AS first',
        'COPY d /d',
        'RUN echo made > /made && ln -s made /link',
        'FROM first AS second',
        'RUN echo more >> /made',
        'FROM busybox AS last',
        'COPY --from=first /made /first',
        'COPY --from=1 /made /second',
        'COPY --from=first /d /link /d/',
        'COPY --from=busybox /etc/passwd /users',
        'FROM busybox',
        'RUN false',
      ),
    },
  },
  {
    name: 'from nothing',
    files: { a: { text: 'x', mode: 0o755 }, Dockerfile: lines('FROM scratch', 'COPY a /bin/a', 'ENV E=1', 'CMD ["/bin/a"]') },
  },
  {
    name: '.dockerignore',
    files: { ...tree, '.dockerignore': lines('**/*.txt', '!y.txt', 'd/e', 'Dockerfile'), Dockerfile: lines('FROM busybox', 'COPY . /all') },
  },
  { name: 'another escape character', files: { Dockerfile: lines('# escape=`', 'FROM busybox', 'RUN echo a`', ' b > /f', 'ENV W=c:\\x') } },
  { name: 'a step that fails', files: { Dockerfile: lines('FROM busybox', 'RUN echo before && exit 7', 'RUN echo never') } },
  { name: 'a command that is not there', ownWords: 'both refuse', files: { Dockerfile: lines('FROM busybox', 'RUN ["/nothing/there"]') } },
  { name: 'a line that means nothing', files: { Dockerfile: lines('FROM busybox', 'NONSENSE x') } },
  { name: 'no line at all', files: { Dockerfile: '# nothing\n' } },
  { name: 'a file that is not there', files: { Dockerfile: lines('FROM busybox', 'COPY nothing /x') } },
  { name: 'a pattern that fits nothing', files: { Dockerfile: lines('FROM busybox', 'COPY *.nothing /x') } },
  { name: 'several sources and no directory', files: { a: '', b: '', Dockerfile: lines('FROM busybox', 'COPY a b /x') } },
  { name: 'a user nobody knows', files: { a: '', Dockerfile: lines('FROM busybox', 'COPY --chown=nobody-knows a /x') } },
  { name: 'a target that is not there', args: ['--target', 'none'], files: { Dockerfile: lines('FROM busybox AS x') } },
];
