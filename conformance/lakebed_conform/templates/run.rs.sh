#!/bin/sh
# Builds the adapter when its source is newer, then becomes it.
cd "$(dirname "$0")" || exit 1
[ adapter -nt adapter.rs ] || rustc --edition 2021 -O -o adapter adapter.rs >&2 || exit 1
exec ./adapter
