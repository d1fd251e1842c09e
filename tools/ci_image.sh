#!/bin/sh
# Builds the Containerfile on a base of Debian's own packages, in an engine of its own that is ended
# again, and tries the image. It needs root, mmdebstrap and dockerd, and leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
engine=
end() {
    status=$?
    if [ -n "$engine" ]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
    fi
    [ "$status" = 0 ] || tail -n 20 "$folder/log" >&2 || true
    umount "$folder"/exec/netns/* 2>/dev/null || true
    rm -rf "$folder"
    exit "$status"
}
trap end EXIT
trap 'exit 1' INT TERM

# As large as it needs to be for `python -m venv`, and trusting whom this machine trusts.
. /etc/os-release
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
    --customize-hook='ln -s python3 "$1/usr/bin/python"' \
    --customize-hook='rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
    --customize-hook='copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs' \
    "$VERSION_CODENAME" "$folder/base.tar"

# No bridge and no rules of its own: it changes nothing of the machine's network.
dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
    --host "unix://$folder/docker.sock" --bridge=none --iptables=false --ip6tables=false \
    >"$folder/log" 2>&1 &
engine=$!
export DOCKER_HOST="unix://$folder/docker.sock" DOCKER_BUILDKIT=0
tries=60
until docker version >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "dockerd did not start" >&2; exit 1; }
    sleep 1
done
docker import --change "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt" \
    "$folder/base.tar" moorage-base:debian >/dev/null
docker build -q --network host --build-arg BASE=moorage-base:debian -t moorage:ci -f Containerfile . \
    >/dev/null
sh tools/try_image.sh moorage:ci
