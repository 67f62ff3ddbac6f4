#!/bin/sh
# As the usual Redis image: /data belongs to the server's user, who is not root, and other containers may connect.
set -e
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown redis:redis .
  exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
if [ "$1" = redis-server ]; then set -- "$@" --protected-mode no; fi
exec "$@"
