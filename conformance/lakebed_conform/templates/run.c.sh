#!/bin/sh
# Builds the adapter when its source is newer, then becomes it.
cd "$(dirname "$0")" || exit 1
[ adapter -nt adapter.c ] || cc -O2 -Wall -o adapter adapter.c >&2 || exit 1
exec ./adapter
