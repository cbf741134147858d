"""`build_engine.sh`, as text: the fingerprint of the code then covers it."""

from __future__ import annotations

BUILD_ENGINE = r"""#!/bin/sh
# Makes model.engine of model.onnx on the device that it will run on: an engine is tied to the GPU
# and to the version of TensorRT. Needs trtexec, which JetPack installs; TRTEXEC=path names another.
set -eu
cd "$(dirname "$0")"
# shellcheck source=/dev/null
. ./settings.sh

fail() {
  echo "build_engine.sh: $1" >&2
  exit "$2"
}

if [ -z "${TRTEXEC:-}" ]; then
  TRTEXEC=$(command -v trtexec) || TRTEXEC=/usr/src/tensorrt/bin/trtexec
fi
[ -x "$TRTEXEC" ] ||
  fail "there is no $TRTEXEC: install JetPack's tensorrt, or name it by TRTEXEC=path" 5

# Releases differ in their flags: what this one knows is asked, not guessed from its number.
# An unknown --help ends with an error in some of them.
help=$("$TRTEXEC" --help 2>&1) || true
knows() {
  printf '%s\n' "$help" | grep -q -e "$1"'\([^A-Za-z0-9]\|$\)'
}

version=$(printf '%s\n' "$help" | sed -n 's/.*\[TensorRT v\([0-9]*\)\].*/\1/p' | head -n 1)
device=
if [ -r /proc/device-tree/model ]; then
  device=$(tr -cd 'A-Za-z0-9' </proc/device-tree/model)
fi
# A timing cache holds for one device and one release: both are in its name.
cache="timing-${device:-unknown}-${version:-unknown}.cache"

set -- "--onnx=model.onnx" "--saveEngine=model.engine.unfinished" "--timingCacheFile=$cache" \
  "--memPoolSize=workspace:$WORKSPACE_MB" \
  "--profilingVerbosity=detailed" "--exportLayerInfo=layers.json"
if knows --stronglyTyped; then
  set -- "$@" --stronglyTyped # the types are those of the graph
else
  # TensorRT 8: types are chosen by speed among those that are allowed. After 11 none of these
  # flags is there, and all is strongly typed.
  for flag in $WEAK_TYPES; do
    if knows "$flag"; then
      set -- "$@" "$flag"
    fi
  done
fi
if [ "$SPARSITY" = enable ] && knows --sparsity; then
  set -- "$@" --sparsity=enable
fi
if knows --skipInference; then
  set -- "$@" --skipInference
elif knows --buildOnly; then
  set -- "$@" --buildOnly
fi

rm -f model.engine model.engine.unfinished layers.json
echo "$TRTEXEC $*"
"$TRTEXEC" "$@" >build.log 2>&1 || {
  code=$?
  tail -n 30 build.log >&2
  rm -f model.engine.unfinished
  fail "trtexec failed (exit $code); build.log has all that it said" 6
}
[ -s model.engine.unfinished ] || fail "trtexec wrote no engine; build.log has all that it said" 6
mv model.engine.unfinished model.engine
echo "built model.engine with TensorRT ${version:-of unknown version}"
"""
