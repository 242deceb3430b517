#!/usr/bin/env bash
# Fails if a committed file of include/ is not what generate.sh would write.
exec "$(dirname "$0")/generate.sh" --check
