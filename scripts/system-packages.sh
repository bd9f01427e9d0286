#!/usr/bin/env bash
# The tests run on Debian's PostgreSQL 15 beside the embedded one, and through Debian's PgBouncer.
# Install what is missing where that is allowed, else name it. No daemon is started, now or at the
# next boot: the tests start their own.
set -euo pipefail

packages=()
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || ! command -v psql >/dev/null; then
    packages+=(postgresql postgresql-client)
fi
# Ordinary users do not have /usr/sbin in their path.
if ! PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v pgbouncer >/dev/null; then
    packages+=(pgbouncer)
fi
[ ${#packages[@]} -gt 0 ] || exit 0

missing="the tests need Debian's PostgreSQL and PgBouncer: apt-get install ${packages[*]}"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "$missing" >&2
    exit 1
fi
echo "installing for the tests: ${packages[*]}" >&2

# Without this, installing PostgreSQL would also make a cluster and start it.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf

# Debian asks this script before a package starts its daemon. Whatever stood there comes back.
policy=/usr/sbin/policy-rc.d
kept=""
restore() {
    rm -f "$policy"
    [ -z "$kept" ] || mv -f "$kept" "$policy"
}
if [ -e "$policy" ] || [ -L "$policy" ]; then
    kept="$(mktemp -u "$policy.XXXXXX")"
    mv "$policy" "$kept"
fi
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get -q -y update >/dev/null
apt-get -q -y install --no-install-recommends "${packages[@]}" >/dev/null || { echo "$missing" >&2; exit 1; }

if [[ " ${packages[*]} " == *" pgbouncer "* ]]; then
    deb-systemd-helper disable pgbouncer.service >/dev/null 2>&1 || true
    update-rc.d pgbouncer disable >/dev/null 2>&1 || true
fi
