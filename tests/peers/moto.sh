#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# moto, a server that speaks AWS's APIs, for the tests: Debian 12 has its libraries but not moto itself, so the package of
# the next suite is fetched and unpacked, never installed. Prints the folder for PYTHONPATH; exit 77 and the reason else.
# Kept in $NS_CACHE, else ~/.cache/nightshift.
set -euo pipefail

why_not() {
    echo "no moto: $*" >&2
    exit 77
}

home=$(getent passwd "$(id -u)" | cut -d: -f6)
kept=${NS_CACHE:-$home/.cache/nightshift}/moto
if [ ! -d "$kept/usr/lib/python3/dist-packages/moto" ]; then
    mkdir -p "$(dirname "$kept")"
    work=$(mktemp -d "$kept.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | grep -m1 ' bookworm$') ||
        why_not "apt knows no mirror of Debian bookworm"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror% *} trixie main" >"$work/sources.list"
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
    (cd "$work" && "${apt[@]}" update && "${apt[@]}" download python3-moto) >&2 || why_not "python3-moto cannot be fetched"
    dpkg-deb -x "$work"/python3-moto_*.deb "$work/root"
    mv -T "$work/root" "$kept" 2>/dev/null || [ -d "$kept/usr" ] || why_not "it cannot be kept in $kept"
fi
PYTHONPATH=$kept/usr/lib/python3/dist-packages /usr/bin/python3 -c 'import moto.server, moto.ec2, moto.autoscaling, moto.sts' 2>/dev/null ||
    why_not "its libraries are not installed (etc/packages test)"
echo "$kept/usr/lib/python3/dist-packages"
