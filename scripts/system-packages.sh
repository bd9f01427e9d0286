#!/usr/bin/env bash
# The tests run on Debian's PostgreSQL 15 beside the embedded one. Install it where that is allowed,
# else say in one line what is missing.
set -euo pipefail

if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && command -v psql >/dev/null; then
    exit 0
fi
missing="the tests need Debian's PostgreSQL: apt-get install postgresql postgresql-client"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "$missing" >&2
    exit 1
fi
echo "installing Debian's PostgreSQL for the tests" >&2
# Without this, installing the package would also make a cluster and start it.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get -q -y update >/dev/null
apt-get -q -y install --no-install-recommends postgresql postgresql-client >/dev/null || { echo "$missing" >&2; exit 1; }
