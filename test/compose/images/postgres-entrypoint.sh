#!/bin/sh
# What the usual PostgreSQL image does before it serves: makes the cluster, the user and the database once, then steps down.
set -e
export PGDATA="${PGDATA:-/var/lib/postgresql/data}" PATH="/usr/lib/postgresql/15/bin:$PATH"
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown postgres:postgres "$PGDATA"
  chmod 700 "$PGDATA"
  mkdir -p /var/run/postgresql
  chown postgres:postgres /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD is not set}"
  user="${POSTGRES_USER:-postgres}"
  passwords=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" > "$passwords"
  initdb --username="$user" --pwfile="$passwords" --auth-host=scram-sha-256 --auth-local=trust --no-sync > /dev/null
  rm "$passwords"
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  # Without the compiler for queries, which is not in this image.
  printf "listen_addresses = '*'\njit = off\n" >> "$PGDATA/postgresql.conf"
  if [ "${POSTGRES_DB:-postgres}" != postgres ]; then
    # One process without a network, as initdb itself does it.
    echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -j postgres > /dev/null
  fi
  echo 'the database cluster was made'
fi
exec "$@"
