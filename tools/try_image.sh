#!/bin/sh
# Runs a container image with nothing writable but its volume, waits until it is healthy, asks for a
# workspace in it, stops it. usage: try_image.sh IMAGE
set -eu
image=$1
name=moorage-try-$$
trap 'docker rm -f -v "$name" >/dev/null 2>&1 || true' EXIT
docker run -d --name "$name" --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges "$image" >/dev/null
tries=60
until [ "$(docker inspect -f '{{.State.Health.Status}}' "$name")" = healthy ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { docker logs "$name" >&2; echo "$image did not become healthy" >&2; exit 1; }
    sleep 2
done
[ "$(docker exec "$name" id -u)" != 0 ] || { echo "$image runs as root" >&2; exit 1; }
docker exec "$name" moorage bootstrap --workspace acme --json >/dev/null
docker exec "$name" moorage backup /data/night.zip
docker stop -t 30 "$name" >/dev/null
[ "$(docker inspect -f '{{.State.ExitCode}}' "$name")" = 0 ] || { echo "$image did not end well" >&2; exit 1; }
echo "$image: healthy, not root, backed up, stopped"
