#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real Kubernetes control plane for the tests: kube-apiserver and kube-controller-manager, built once from Debian's own
# source package `kubernetes` (no binary package holds them) and kept outside the tree. Prints the folder that holds them.
#   tests/peers/kubernetes.sh           the folder, built when it is not there (12 to 30 minutes on two cores, 2 GB of disk)
#   tests/peers/kubernetes.sh --cached  the folder if it is there; else exit 77 and the reason
# Kept in $NS_CACHE, else ~/.cache/nightshift.
set -euo pipefail

why_not() { # REASON: 77 is "skipped"
    echo "no kube-apiserver: $*" >&2
    exit 77
}

"$(dirname "$0")/../../etc/packages" kubernetes >&2 || why_not "its packages cannot be installed (etc/packages kubernetes)"
home=$(getent passwd "$(id -u)" | cut -d: -f6)
cache=${NS_CACHE:-$home/.cache/nightshift}
kept=$cache/kubernetes-1.20
if [ -x "$kept/kube-apiserver" ] && [ -x "$kept/kube-controller-manager" ]; then
    echo "$kept"
    exit 0
fi
[ "${1:-}" != --cached ] || why_not "not built yet: run tests/peers/kubernetes.sh once"

go=/usr/lib/go-1.19/bin
reflect2=/usr/share/gocode/src/github.com/modern-go/reflect2
[ -x $go/go ] && [ -d $reflect2 ] || why_not "golang-1.19-go and golang-github-modern-go-reflect2-dev are not installed (etc/packages kubernetes)"
command -v dpkg-source >/dev/null && command -v make >/dev/null || why_not "dpkg-dev and make are not installed (etc/packages kubernetes)"
mkdir -p "$cache"
exec 9>"$cache/kubernetes.lock" # One build at a time; who comes second finds it made.
flock 9
if [ -x "$kept/kube-apiserver" ] && [ -x "$kept/kube-controller-manager" ]; then
    echo "$kept"
    exit 0
fi
free_mb=$(df --output=avail -m "$cache" | tail -1)
[ "$free_mb" -gt 3000 ] || why_not "$cache has $free_mb MB free, the build needs 3000"

# A private apt, since the machine's own may not list sources: the same mirror, source packages only.
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | grep -m1 ' bookworm$') ||
    why_not "apt knows no mirror of Debian bookworm"
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror main" >"$work/apt/sources.list"
apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root)
cd "$work"
"${apt[@]}" update >&2 || why_not "the package lists of $mirror cannot be read"
"${apt[@]}" source --download-only kubernetes >&2 || why_not "the source package cannot be fetched"
dpkg-source --no-check -x kubernetes_*.dsc src >&2
cd src
# The vendored reflect2 is older than Go 1.18 and crashes the apiserver on the first map: Debian's own is newer.
rm vendor/github.com/modern-go/reflect2/go_*.go
cp $reflect2/*.go vendor/github.com/modern-go/reflect2/
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
echo "building kube-apiserver and kube-controller-manager (once; 12 to 30 minutes)" >&2
PATH=$go:$PATH GOPATH=$PWD/.go GOCACHE=$work/gocache CGO_ENABLED=0 GOPROXY=off GOFLAGS=-mod=vendor KUBE_BUILD_PLATFORMS=linux/amd64 \
    nice -n 19 make WHAT="cmd/kube-apiserver cmd/kube-controller-manager" >"$cache/kubernetes.log" 2>&1 ||
    why_not "the build failed: $(tail -3 "$cache/kubernetes.log" | tr '\n' ' ')"
mkdir -p "$kept"
cp _output/local/bin/linux/amd64/kube-apiserver _output/local/bin/linux/amd64/kube-controller-manager "$kept/"
echo "$kept"
