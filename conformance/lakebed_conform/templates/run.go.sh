#!/bin/sh
# Builds the adapter when its source is newer, then becomes it.
cd "$(dirname "$0")" || exit 1
[ adapter -nt adapter.go ] || go build -o adapter adapter.go >&2 || exit 1
exec ./adapter
